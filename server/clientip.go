package server

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/forwarded"
	"github.com/ecolaura/rampart/internal/request"
)

// ClientIP tells the address of a request's client, by what the proxies that are
// believed say of it. It is safe for concurrent use. The zero value takes the TCP
// peer. Create one with [NewClientIP].
type ClientIP struct {
	proxies  rampart.Proxies
	header   string
	kind     headerKind
	reporter *rampart.Reporter // nil in the zero value
}

type headerKind uint8

const (
	noHeader headerKind = iota
	forwardedFor
	rfc7239
	single
)

// NewClientIP returns a ClientIP that believes the proxies, or every mistake in
// them, each a [*rampart.ConfigError], joined. Its events go to [slog.Default]; see
// [ClientIP.LogTo].
func NewClientIP(proxies rampart.Proxies) (*ClientIP, error) {
	proxies, err := proxies.Checked()
	if err != nil {
		return nil, err
	}
	c := &ClientIP{proxies: proxies, reporter: rampart.NewReporter(nil, "server")}
	if c.proxies.Hops > 0 || len(c.proxies.Prefixes) > 0 || c.proxies.UnixSocket {
		c.header = textproto.CanonicalMIMEHeaderKey(cmp.Or(proxies.ClientHeader, "X-Forwarded-For"))
		c.kind = kindOf(c.header)
	}
	return c, nil
}

func kindOf(header string) headerKind {
	switch header {
	case "X-Forwarded-For":
		return forwardedFor
	case "Forwarded":
		return rfc7239
	default:
		return single
	}
}

// LogTo returns a ClientIP like c whose events go to log; nil: [slog.Default].
func (c *ClientIP) LogTo(log *slog.Logger) *ClientIP {
	own := *c
	own.reporter = rampart.NewReporter(log, "server")
	return &own
}

// Addr returns the address of r's client: IPv4 unmapped, without a zone. A
// trusted peer that sends no header is itself the client. The zero Addr means
// that the client cannot be told (a peer without an address, a header that
// cannot be read as far as it is trusted); callers refuse such a request.
// Behind [ClientIP.Handler] of this c the response comes from the context.
func (c *ClientIP) Addr(r *http.Request) netip.Addr {
	if seen := request.AddressFrom(r.Context()); seen != nil && seen.By == c {
		return seen.Addr
	}
	return c.resolve(r)
}

func (c *ClientIP) resolve(r *http.Request) netip.Addr {
	peer := rampart.PeerAddr(r)
	if c.kind == noHeader || !c.proxies.Trusts(r) {
		return peer
	}
	return c.read(peer, r.Header[c.header])
}

func (c *ClientIP) read(peer netip.Addr, lines []string) netip.Addr {
	if c.kind == single {
		return c.single(peer, lines)
	}
	return c.walk(peer, lines)
}

// single reads a header that holds one address.
func (c *ClientIP) single(peer netip.Addr, lines []string) netip.Addr {
	if len(lines) == 0 && c.proxies.Hops == 0 {
		return peer
	}
	if len(lines) != 1 {
		return netip.Addr{} // two values: one of them is the client's own
	}
	return parseHop(strings.Trim(lines[0], " \t"))
}

// walk reads a list of hops from right to left: the right end was written by
// the nearest proxy, and everything left of the client by the client.
func (c *ClientIP) walk(peer netip.Addr, lines []string) netip.Addr {
	client, hops := peer, 0
	list := forwarded.List
	if c.kind == rfc7239 {
		list = forwarded.Elements
	}
	for i, line := range slices.Backward(lines) {
		if len(lines)-i > forwarded.Most {
			return netip.Addr{} // each of them had an address of a proxy, or nothing
		}
		for element := range list(line) {
			if element == "" {
				continue // RFC 9110 section 5.6.1.2: empty list elements are ignored
			}
			client = parseElement(element, c.kind)
			hops++
			if !client.IsValid() || hops == c.proxies.Hops || c.proxies.Hops == 0 && !c.lists(client) {
				return client
			}
		}
	}
	if c.proxies.Hops > 0 {
		return netip.Addr{} // fewer hops than proxies: it came past them
	}
	return client
}

func (c *ClientIP) lists(addr netip.Addr) bool {
	return slices.ContainsFunc(c.proxies.Prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Handler resolves the address once and keeps it in the request's context, for
// [ClientIP.Addr] and [rampart.ClientAddrFrom]. The request itself is not edited:
// layers further in need to see what a proxy sent.
//
// A header that is not believed, and would have told another address, is reported
// ([rampart.UntrustedProxy]) if it comes from a loopback, private or link-local address,
// one of a carrier's NAT or a Unix socket, once for each peer: there is a proxy that
// Proxies does not tell of, and all its clients have one address here. Anyone may send
// such a header from elsewhere, and that is no event.
func (c *ClientIP) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := request.JoinCopy(w, r, request.Client, false, func(a *address) {
			a.Address = request.Address{By: c, Addr: c.resolve(r)}
			c.overlooked(r, a.Addr)
		})
		inner.Serve(next, w, r)
	})
}

// address is the [request.Layer], which has a value only.
type address struct {
	request.Base
	request.Address
}

// Value implements [request.Layer].
func (a *address) Value(_ *request.Writer, key any) any {
	if key == (request.AddressKey{}) {
		return &a.Address
	}
	return nil
}

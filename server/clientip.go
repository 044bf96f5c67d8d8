package server

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/request"
	"github.com/ecolaura/rampart/internal/token"
)

// ClientIPConfig says whose word about a client's address is believed. The
// zero value believes nobody: the client is the TCP peer.
type ClientIPConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// TrustedProxies lists the proxies. A request from any other peer is the
	// peer's own, whatever its headers say. The header is walked from right to
	// left, and the first hop that is not listed is the client. IPv4 is written
	// as IPv4.
	TrustedProxies []netip.Prefix

	// Hops is, in place of TrustedProxies, the exact number of proxies that
	// every request passes (DRF's NUM_PROXIES). It believes any peer, so the
	// server must not be reachable past its proxies. 0: not used.
	Hops int

	// Header that the proxies write: X-Forwarded-For ("" too), Forwarded
	// (RFC 7239), or the name of a header that holds one address, such as
	// X-Real-IP. A proxy must set or append to it on every request.
	Header string
}

// ClientIP tells the address of a request's client. It is safe for concurrent
// use. The zero value takes the TCP peer. Create one with [NewClientIP].
type ClientIP struct {
	trusted []netip.Prefix
	hops    int
	header  string
	kind    headerKind
}

type headerKind uint8

const (
	noHeader headerKind = iota
	forwardedFor
	forwarded
	single
)

// NewClientIP returns a ClientIP for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func NewClientIP(cfg ClientIPConfig) (*ClientIP, error) {
	bad := conferr.For("server.ClientIPConfig")
	for _, p := range cfg.TrustedProxies {
		switch {
		case !p.IsValid() || p != p.Masked() || p.Addr().Is4In6(): // peers are unmapped: that would match none
			bad.Add("TrustedProxies", rampart.ReasonInvalid, p, conferr.WantPrefix)
		case p.Bits() == 0: // then the leftmost, client-written entry would win
			bad.Add("TrustedProxies", rampart.ReasonTooWide, p, "it would let any client choose its address; list your proxies' own addresses")
		}
	}
	bad.If(cfg.Hops < 0 || cfg.Hops > 16, "Hops", rampart.ReasonInvalid, cfg.Hops, "use 1 to 16 proxies; 0 means none")
	bad.If(cfg.Hops != 0 && len(cfg.TrustedProxies) > 0, "Hops", rampart.ReasonConflict, nil, "set TrustedProxies or Hops, not both")
	bad.If(cfg.Header != "" && !token.Valid(cfg.Header), "Header", rampart.ReasonInvalid, cfg.Header, conferr.WantHeader)
	bad.If(cfg.Header != "" && cfg.Hops == 0 && len(cfg.TrustedProxies) == 0, "Header", rampart.ReasonPointless, cfg.Header,
		"nobody is trusted to send it; list your proxies in TrustedProxies, or set Hops")
	c := &ClientIP{trusted: slices.Clone(cfg.TrustedProxies), hops: cfg.Hops}
	if c.hops > 0 || len(c.trusted) > 0 {
		c.header = textproto.CanonicalMIMEHeaderKey(cmp.Or(cfg.Header, "X-Forwarded-For"))
		switch c.header {
		case "X-Forwarded-For":
			c.kind = forwardedFor
		case "Forwarded":
			c.kind = forwarded
		default:
			c.kind = single
		}
	}
	bad.If(c.kind == single && c.hops > 1, "Hops", rampart.ReasonConflict, nil,
		"a header with one address tells of one proxy; set Hops to 1, or Header to X-Forwarded-For or Forwarded")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Addr returns the address of r's client: IPv4 unmapped, without a zone. A
// trusted peer that sends no header is itself the client. The zero Addr means
// that the client cannot be told (a peer without an address, a header that
// cannot be read as far as it is trusted); callers refuse such a request.
// Behind [ClientIP.Handler] of this c the answer comes from the context.
func (c *ClientIP) Addr(r *http.Request) netip.Addr {
	if seen, ok := request.ClientFrom(r.Context()); ok && seen.By == c {
		return seen.Addr
	}
	return c.resolve(r)
}

func (c *ClientIP) resolve(r *http.Request) netip.Addr {
	peer := rampart.PeerAddr(r)
	if c.kind == noHeader || !peer.IsValid() {
		return peer
	}
	if c.hops == 0 && !c.trusts(peer) {
		return peer
	}
	lines := r.Header[c.header]
	if c.kind == single {
		return c.single(peer, lines)
	}
	return c.walk(peer, lines)
}

// single reads a header that holds one address.
func (c *ClientIP) single(peer netip.Addr, lines []string) netip.Addr {
	if len(lines) == 0 && c.hops == 0 {
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
	for _, line := range slices.Backward(lines) {
		rest, more := line, true
		for more {
			var element string
			rest, element, more = cutLast(rest, c.kind == forwarded)
			if element == "" {
				continue // RFC 9110 section 5.6.1.2: empty list elements are ignored
			}
			client = parseElement(element, c.kind)
			hops++
			if !client.IsValid() || hops == c.hops || c.hops == 0 && !c.trusts(client) {
				return client
			}
		}
	}
	if c.hops > 0 {
		return netip.Addr{} // fewer hops than proxies: it came past them
	}
	return client
}

func (c *ClientIP) trusts(a netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Handler resolves the address once and keeps it in the request's context, for
// [ClientIP.Addr] and [rampart.ClientAddrFrom]. The request itself is not edited:
// layers further in need to see what a proxy sent.
func (c *ClientIP) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := request.WithClient(r.Context(), request.Client{By: c, Addr: c.resolve(r)})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

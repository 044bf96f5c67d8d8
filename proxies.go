package rampart

import (
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/forwarded"
	"github.com/ecolaura/rampart/internal/text"
	"github.com/ecolaura/rampart/internal/token"
)

// Proxies says which proxies are trusted, and which headers they write: one value
// for the client's address and the request id (package server), for scheme and
// host (package headers) and for the gateway. The zero value trusts none: the
// client is the TCP peer.
//
// Forwarding headers from anyone else are ignored. A trusted proxy must replace or
// append to the named headers on every request.
type Proxies struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Prefixes lists the proxies by address; IPv4 is written as IPv4. Forwarding
	// headers from any other peer are ignored.
	Prefixes []netip.Prefix

	// UnixSocket believes every program that connects to a Unix socket that this server
	// listens on, so only the proxy may be able to: see server.Listen for the mode of the
	// file. The zero value believes none. Such a peer has no address, so the client of a
	// request without the ClientHeader cannot be told. It may be set beside Prefixes.
	UnixSocket bool

	// Hops is the number of proxies in front of this server, 1 to 16; 0: not used.
	// Use it instead of Prefixes where proxies have no fixed address (Django REST
	// framework's NUM_PROXIES). Every peer is then trusted, so clients must not be
	// able to reach the server directly. Each proxy must append to the header or
	// replace it: if one forwards it unchanged, a client can forge its address.
	Hops int

	// ClientHeader names the header with the client's address. "":
	// X-Forwarded-For. With Prefixes, the client is the rightmost address that is
	// not a trusted proxy; with Hops, it is that many addresses from the right.
	// "Forwarded" is RFC 7239, read the same way. Any other name is a header with
	// one address, such as CF-Connecting-IP.
	ClientHeader string

	// SchemeHeader names the header with the scheme that the client used. "":
	// X-Forwarded-Proto. The rightmost value counts; with Hops, the one that many
	// from the right, if there are as many. "Forwarded" is RFC 7239, read the same
	// way. Any other name is a header with one value: "https", "on" or "1".
	SchemeHeader string

	// HostHeader names the header with the host that the client requested, such
	// as X-Forwarded-Host or Forwarded (RFC 7239): set it if a proxy changes Host.
	// The rightmost value counts, and package headers checks it. "": Host itself.
	// A handler still finds in [http.Request.Host] what the proxy sent, unchecked.
	HostHeader string
}

// Trusts reports whether r comes from a trusted proxy.
func (p *Proxies) Trusts(r *http.Request) bool {
	if p.Hops > 0 || p.UnixSocket && forwarded.Unix(r) {
		return true
	}
	if len(p.Prefixes) == 0 {
		return false
	}
	peer := PeerAddr(r)
	return slices.ContainsFunc(p.Prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(peer) })
}

// HTTPS reports whether the client spoke TLS: what a trusted proxy says, else
// whether this connection is TLS. A proxy may speak TLS to us for a client that
// spoke plain http to it, so where it says something its word counts. r.URL.Scheme
// never does: the absolute form of a request target (RFC 9112 section 3.2.2) lets
// any client write it.
func (p *Proxies) HTTPS(r *http.Request) bool {
	if !p.Trusts(r) {
		return r.TLS != nil
	}
	name := "X-Forwarded-Proto"
	if p.SchemeHeader != "" {
		name = http.CanonicalHeaderKey(p.SchemeHeader)
	}
	lines := r.Header[name]
	if len(lines) == 0 {
		return r.TLS != nil
	}
	switch single := strings.Trim(lines[0], " \t"); {
	case name == "Forwarded":
		return text.EqualFold(forwarded.NthParameter(lines, max(p.Hops, 1), "proto"), "https")
	case name != "X-Forwarded-Proto":
		return len(lines) == 1 && (text.EqualFold(single, "https") || text.EqualFold(single, "on") || single == "1")
	default:
		return text.EqualFold(forwarded.Nth(lines, max(p.Hops, 1)), "https")
	}
}

// Host returns the host that the client requested: Host itself, or what a trusted
// proxy says in the HostHeader.
func (p *Proxies) Host(r *http.Request) string {
	if p.HostHeader == "" || !p.Trusts(r) {
		return r.Host
	}
	name := http.CanonicalHeaderKey(p.HostHeader)
	lines := r.Header[name]
	switch {
	case len(lines) == 0:
		return r.Host
	case name == "Forwarded":
		return forwarded.NthParameter(lines, 1, "host")
	default:
		return forwarded.Nth(lines, 1)
	}
}

// Checked returns a copy that shares nothing with p, or every mistake in p, each a
// [*ConfigError], joined. The constructors that take a Proxies call it for you.
func (p *Proxies) Checked() (Proxies, error) {
	bad := conferr.For("rampart.Proxies")
	for _, prefix := range p.Prefixes {
		bad.If(!prefix.IsValid() || prefix != prefix.Masked() || prefix.Addr().Is4In6(), // peers are unmapped: that would match none
			"Prefixes", ReasonInvalid, prefix, conferr.WantPrefix)
	}
	bad.If(share(p.Prefixes, true) >= 1.0/2 || share(p.Prefixes, false) >= 1.0/8, // 2000::/3 is all that is in use
		"Prefixes", ReasonTooWide, nil, "any client could forge its address; list only your proxies, such as \"10.0.0.0/8\"")
	bad.If(p.Hops < 0 || p.Hops > 16, "Hops", ReasonInvalid, p.Hops, "use 1 to 16 proxies; 0 means that none are counted")
	bad.If(p.Hops != 0 && len(p.Prefixes) > 0, "Hops", ReasonConflict, nil, "set Prefixes or Hops, not both")
	bad.If(p.Hops != 0 && p.UnixSocket, "UnixSocket", ReasonConflict, nil, "with Hops every peer is believed already; set UnixSocket or Hops, not both")
	for _, h := range []struct{ field, name string }{{"ClientHeader", p.ClientHeader}, {"SchemeHeader", p.SchemeHeader}, {"HostHeader", p.HostHeader}} {
		switch {
		case h.name == "":
		case !token.Valid(h.name):
			bad.Add(h.field, ReasonInvalid, h.name, conferr.WantHeader)
		case p.Hops == 0 && len(p.Prefixes) == 0 && !p.UnixSocket:
			bad.Add(h.field, ReasonPointless, h.name, "no proxy is trusted to send it; list the proxies in Prefixes, count them in Hops, or set UnixSocket")
		}
	}
	name := http.CanonicalHeaderKey(p.ClientHeader)
	bad.If(p.Hops > 1 && name != "" && name != "X-Forwarded-For" && name != "Forwarded", "Hops", ReasonConflict, nil,
		"a header with one address tells of one proxy; set Hops to 1, or ClientHeader to X-Forwarded-For or Forwarded")
	own := *p
	own.Prefixes = slices.Clone(p.Prefixes)
	return own, bad.Err()
}

// share returns how much of the IPv4 or IPv6 addresses the prefixes hold together.
func share(prefixes []netip.Prefix, v4 bool) (sum float64) {
	for i, p := range prefixes {
		if !p.IsValid() || p.Addr().Is4() != v4 {
			continue
		}
		within := func(j int, q netip.Prefix) bool {
			return j != i && q.IsValid() && q.Contains(p.Addr()) && (q.Bits() < p.Bits() || q.Bits() == p.Bits() && j < i)
		}
		counted := false
		for j, q := range prefixes {
			counted = counted || within(j, q)
		}
		if !counted {
			sum += math.Exp2(-float64(p.Bits()))
		}
	}
	return sum
}

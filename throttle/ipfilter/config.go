package ipfilter

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A Config configures a [Filter]. At least one of Allow and Deny must hold a
// prefix, unless there is a Feed, which may bring some.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Allow lists the prefixes that are admitted. Empty means all.
	Allow []netip.Prefix

	// Deny lists the prefixes that are refused, even when Allow holds them.
	Deny []netip.Prefix

	// ClientIP tells a request's client address, such as the Addr method of a
	// server.ClientIP. The zero [netip.Addr] means that it cannot be told. If
	// nil, the address of the TCP peer is used: behind a proxy that is the
	// proxy.
	ClientIP func(*http.Request) netip.Addr

	// Feed carries blocks to every instance; nil: [Filter.Block] holds in this
	// process only.
	Feed rampart.Feed

	// Outage says what happens while the feed brings nothing: FailClosed refuses
	// every request, FailOpen goes by the blocks that are known. Required with one.
	Outage rampart.Outage

	// MaxBlocks bounds how many blocks are held, each some 100 bytes; 0:
	// 100 000. Blocks above it are not held, and an event says so.
	MaxBlocks int

	// ErrorHandler responds to a refused request; err is a [*DeniedError]. If nil,
	// the response is a rampart.Problem: 403, code "address_denied"; or 503, code
	// "blocks_unavailable". Retry-After is set by then.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives a security event for each refused request, with the client
	// address that a server.ClientIP around the Filter resolved, or else the TCP
	// peer's; nil: [slog.Default].
	Logger *slog.Logger
}

func (c *Config) validate() error {
	bad := conferr.For("ipfilter.Config")
	bad.If(len(c.Allow)+len(c.Deny) == 0 && c.Feed == nil, "Allow", rampart.ReasonMissing, nil, "the filter would let everybody pass; set Allow, Deny or Feed")
	bad.If(c.Outage > rampart.FailOpen, "Outage", rampart.ReasonInvalid, c.Outage, conferr.WantOutage) // there is nothing to fall back to
	bad.If(c.Outage == 0 && c.Feed != nil, "Outage", rampart.ReasonMissing, nil, conferr.WantOutage)
	bad.If(c.MaxBlocks < 0, "MaxBlocks", rampart.ReasonInvalid, c.MaxBlocks, "use 1 or more; 0 means 100000")
	check := func(field string, ps []netip.Prefix) {
		for _, p := range ps {
			bad.If(!p.IsValid() || p != p.Masked() || p.Addr().Is4In6(), field, rampart.ReasonInvalid, p, conferr.WantPrefix)
		}
	}
	check("Allow", c.Allow)
	check("Deny", c.Deny)
	allowed := make(map[netip.Prefix]bool, len(c.Allow))
	for _, p := range c.Allow {
		allowed[p] = p.IsValid()
	}
	for _, p := range c.Deny {
		bad.If(allowed[p], "Deny", rampart.ReasonConflict, p, "Allow has this prefix too; remove it from one of the two")
	}
	return bad.Err()
}

package ipfilter

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/ecolaura/rampart"
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

	// ErrorHandler answers a refused request; err is a [*DeniedError]. If nil,
	// the answer is a rampart.Problem: 403, code "address_denied"; or 503, code
	// "blocks_unavailable". Retry-After is set by then.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives a security event for each refused request, with the client
	// address that a server.ClientIP around the Filter resolved, or else the TCP
	// peer's; nil: [slog.Default].
	Logger *slog.Logger
}

// Reasons of a [*rampart.ConfigError] of this package.
const (
	ReasonMissing  = "missing"  // neither Allow nor Deny holds a prefix; no Outage
	ReasonInvalid  = "invalid"  // not a prefix, bits set outside its mask, or IPv4 written as IPv6, which would never match; a value that the field cannot take
	ReasonConflict = "conflict" // the same prefix in Allow and Deny
)

func (c *Config) validate() error {
	var errs []error
	mistake := func(field, reason, value string) {
		errs = append(errs, &rampart.ConfigError{Package: "ipfilter", Field: field, Reason: reason, Value: value})
	}
	if len(c.Allow)+len(c.Deny) == 0 && c.Feed == nil {
		mistake("Allow or Deny", ReasonMissing, "")
	}
	switch {
	case c.Outage > rampart.FailOpen: // there is nothing to fall back to
		mistake("Outage", ReasonInvalid, c.Outage.String())
	case c.Outage == 0 && c.Feed != nil:
		mistake("Outage", ReasonMissing, "")
	}
	if c.MaxBlocks < 0 {
		mistake("MaxBlocks", ReasonInvalid, strconv.Itoa(c.MaxBlocks))
	}
	check := func(field string, ps []netip.Prefix) {
		for _, p := range ps {
			if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
				mistake(field, ReasonInvalid, p.String())
			}
		}
	}
	check("Allow", c.Allow)
	check("Deny", c.Deny)
	allowed := make(map[netip.Prefix]bool, len(c.Allow))
	for _, p := range c.Allow {
		allowed[p] = p.IsValid()
	}
	for _, p := range c.Deny {
		if allowed[p] {
			mistake("Deny", ReasonConflict, p.String())
		}
	}
	return errors.Join(errs...)
}

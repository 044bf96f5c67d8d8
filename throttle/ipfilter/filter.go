package ipfilter

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/ecolaura/rampart"
)

// A Filter admits or refuses requests by client address. It is safe for
// concurrent use. Create one with [New]. The zero Filter refuses every request.
type Filter struct {
	current atomic.Pointer[compiled]
	blocks  *blocks
	feed    rampart.Feed   // of the first Config
	outage  rampart.Outage // of the first Config
}

// compiled is a Config in the form that requests use. It never changes.
type compiled struct {
	allow, deny  addrSet
	allowAll     bool
	clientIP     func(*http.Request) netip.Addr
	errorHandler func(http.ResponseWriter, *http.Request, error)
	logger       *slog.Logger // of the Config
	reporter     *rampart.Reporter
}

// New returns a Filter that behaves as cfg says, or every mistake in cfg, each
// a [*rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func New(cfg Config) (*Filter, error) {
	if cfg.MaxBlocks == 0 {
		cfg.MaxBlocks = defaultMaxBlocks
	}
	f := &Filter{blocks: newBlocks(cfg.MaxBlocks), feed: cfg.Feed, outage: cfg.Outage}
	if err := f.Reconfigure(cfg); err != nil {
		return nil, err
	}
	if f.feed != nil {
		f.feed.Subscribe(blocksTopic, f.apply)
	}
	return f, nil
}

// Reconfigure makes f behave as cfg says from the next request on, or returns
// every mistake in cfg and leaves f as it was. Blocks stay; Feed, Outage and
// MaxBlocks are those that [New] was given.
func (f *Filter) Reconfigure(cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	c := &compiled{
		allow:        newAddrSet(cfg.Allow),
		deny:         newAddrSet(cfg.Deny),
		allowAll:     len(cfg.Allow) == 0,
		clientIP:     cfg.ClientIP,
		errorHandler: cfg.ErrorHandler,
		logger:       cfg.Logger,
	}
	if c.clientIP == nil {
		c.clientIP = rampart.PeerAddr
	}
	if c.errorHandler == nil {
		c.errorHandler = func(w http.ResponseWriter, _ *http.Request, err error) { rampart.WriteError(w, err) }
	}
	if old := f.current.Load(); old != nil && old.logger == cfg.Logger {
		c.reporter = old.reporter // it may hold counts that are not written yet
	} else {
		c.reporter = rampart.NewReporter(cfg.Logger, "throttle/ipfilter")
	}
	f.current.Store(c)
	return nil
}

// A DeniedError says why [Filter.Check] refused a request.
type DeniedError struct {
	Addr   netip.Addr     // zero if the address could not be told
	Reason rampart.Denial // one of the constants below
}

// Reasons of a [*DeniedError].
const (
	NotAdmitted   rampart.Denial = "not_admitted"   // by the lists
	Blocked       rampart.Denial = "blocked"        // by Block
	AddrUnknown   rampart.Denial = "addr_unknown"   // the address cannot be told
	BlocksUnknown rampart.Denial = "blocks_unknown" // 503: the feed fails, and the outage policy is FailClosed
	NotConfigured rampart.Denial = "not_configured" // a zero Filter
)

// Error implements error.
func (e *DeniedError) Error() string {
	switch {
	case e.Reason == Blocked:
		return fmt.Sprintf("ipfilter: client address %s blocked", e.Addr)
	case e.Reason == BlocksUnknown:
		return "ipfilter: what is blocked is not known now"
	case !e.Addr.IsValid():
		return "ipfilter: client address unknown"
	default:
		return fmt.Sprintf("ipfilter: client address %s not admitted", e.Addr)
	}
}

// Denial implements [rampart.Refusal].
func (e *DeniedError) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal].
func (e *DeniedError) Problem() *rampart.Problem {
	if e.Reason == BlocksUnknown {
		return &rampart.Problem{
			Status: http.StatusServiceUnavailable, Code: "blocks_unavailable", Detail: "Blocked addresses cannot be checked right now.",
			Header: http.Header{"Retry-After": {"1"}},
		}
	}
	return &rampart.Problem{Status: http.StatusForbidden, Code: "address_denied"}
}

// Check returns nil if r is admitted and a [*DeniedError] otherwise. It
// neither logs nor responds, so it also serves outside a handler chain.
func (f *Filter) Check(r *http.Request) error {
	c := f.current.Load()
	if c == nil { // zero Filter: fail closed
		return &DeniedError{Reason: NotConfigured}
	}
	if err := f.check(c, r); err != nil {
		return err
	}
	return nil
}

// check returns nil if r is admitted.
func (f *Filter) check(c *compiled, r *http.Request) *DeniedError {
	addr := c.clientIP(r).Unmap().WithZone("")
	switch {
	case !addr.IsValid():
		return &DeniedError{Reason: AddrUnknown}
	case c.deny.contains(addr) || !c.allowAll && !c.allow.contains(addr):
		return &DeniedError{Addr: addr, Reason: NotAdmitted}
	case f.blocks.contains(addr):
		return &DeniedError{Addr: addr, Reason: Blocked}
	case f.blind():
		return &DeniedError{Addr: addr, Reason: BlocksUnknown}
	}
	return nil
}

// Handler is the layer: it serves admitted requests with next. The others are
// answered by the ErrorHandler and reported.
func (f *Filter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := f.current.Load()
		if c == nil {
			(*rampart.Reporter)(nil).Refused(r, rampart.AuthzFail, "", slog.String("reason", string(NotConfigured)))
			(&DeniedError{Reason: NotConfigured}).Problem().Write(w)
			return
		}
		if err := f.check(c, r); err != nil {
			c.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *compiled) refuse(w http.ResponseWriter, r *http.Request, err *DeniedError) {
	key := err.Error() // by reason and address
	if !c.reporter.Counted(r.Context(), rampart.AuthzFail, key) {
		c.reporter.Refused(r, rampart.AuthzFail, key, slog.String("reason", string(err.Reason)))
	}
	maps.Copy(w.Header(), err.Problem().Header)
	c.errorHandler(w, r, err)
}

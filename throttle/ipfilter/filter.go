package ipfilter

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/ecolaura/rampart"
)

// A Filter admits or refuses requests by client address. It is safe for
// concurrent use. Create one with [New]. The zero Filter refuses every request.
type Filter struct {
	current atomic.Pointer[compiled]
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
	f := new(Filter)
	if err := f.Reconfigure(cfg); err != nil {
		return nil, err
	}
	return f, nil
}

// Reconfigure makes f behave as cfg says from the next request on, or returns
// every mistake in cfg and leaves f as it was.
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
		denied := (&rampart.Problem{Status: http.StatusForbidden, Code: "address_denied"}).Render()
		c.errorHandler = func(w http.ResponseWriter, r *http.Request, _ error) { denied.ServeHTTP(w, r) }
	}
	if old := f.current.Load(); old != nil && old.logger == cfg.Logger {
		c.reporter = old.reporter // it may hold counts that are not written yet
	} else {
		c.reporter = rampart.NewReporter(cfg.Logger)
	}
	f.current.Store(c)
	return nil
}

// A DeniedError says why [Filter.Check] refused a request.
type DeniedError struct {
	Addr netip.Addr // zero if the address could not be told
}

// Error implements error.
func (e *DeniedError) Error() string {
	if !e.Addr.IsValid() {
		return "ipfilter: client address unknown"
	}
	return fmt.Sprintf("ipfilter: client address %s not admitted", e.Addr)
}

// Check returns nil if r is admitted and a [*DeniedError] otherwise. It
// neither logs nor answers, so it also serves outside a handler chain.
func (f *Filter) Check(r *http.Request) error {
	c := f.current.Load()
	if c == nil { // zero Filter: fail closed
		return &DeniedError{}
	}
	return c.check(r)
}

func (c *compiled) check(r *http.Request) error {
	addr := c.clientIP(r).Unmap().WithZone("")
	if addr.IsValid() && !c.deny.contains(addr) && (c.allowAll || c.allow.contains(addr)) {
		return nil
	}
	return &DeniedError{Addr: addr}
}

// Handler is the layer: it serves admitted requests with next. The others are
// answered by the ErrorHandler and reported.
func (f *Filter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := f.current.Load()
		if c == nil {
			(*rampart.Reporter)(nil).Refused(r, rampart.AuthzFail, "", slog.String("reason", "not_configured"))
			(&rampart.Problem{Status: http.StatusForbidden, Code: "address_denied"}).Write(w)
			return
		}
		if err := c.check(r); err != nil {
			c.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *compiled) refuse(w http.ResponseWriter, r *http.Request, err error) {
	key := err.Error()
	if !c.reporter.Counted(r.Context(), rampart.AuthzFail, key) {
		c.reporter.Refused(r, rampart.AuthzFail, key, slog.String("reason", key))
	}
	c.errorHandler(w, r, err)
}

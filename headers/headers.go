package headers

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/forwarded"
	"github.com/ecolaura/rampart/internal/request"
)

// Headers is the layer. It is safe for concurrent use. The zero value refuses
// every request. Create one with [New].
type Headers struct {
	policy atomic.Pointer[policy]

	mu     sync.Mutex // held while a new policy is made
	cfg    Config     // what policy was made from
	routes []*route
}

// New returns a Headers that behaves as cfg says, or every mistake in cfg,
// each a [*rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func New(cfg Config) (*Headers, error) {
	h := new(Headers)
	if err := h.Reconfigure(cfg); err != nil {
		return nil, err
	}
	return h, nil
}

// Reconfigure makes h behave as cfg says from the next request on, routes
// included. On an error, which holds every mistake, nothing changes.
func (h *Headers) Reconfigure(cfg Config) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	cfg = cfg.clone()
	filled := cfg.clone()
	p, err := newPolicy(&filled)
	if err != nil {
		return err
	}
	if old := h.policy.Load(); old != nil && h.cfg.Logger == cfg.Logger {
		p.reporter = old.reporter // keeps what it has folded
	} else {
		p.reporter = rampart.NewReporter(cfg.Logger, "headers")
	}
	p.cookies.reporter = p.reporter
	p.set.belongTo(h, p.cookies)
	sets := make([]*set, len(h.routes))
	var errs []error
	for i, rt := range h.routes {
		if sets[i], err = rt.compile(cfg, p); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, rt := range h.routes {
		rt.set.Store(sets[i])
	}
	h.cfg = cfg
	h.policy.Store(p)
	return nil
}

// Handler returns the layer around next.
func (h *Headers) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := h.policy.Load()
		if p == nil {
			writeError(w, r, &HostError{Host: r.Host, Reason: HostUnset})
			return
		}
		p.serve(w, r, next, p.set) //nolint:contextcheck // the request carries it
	})
}

// serve is the layer with the given set.
func (p *policy) serve(w http.ResponseWriter, r *http.Request, next http.Handler, s *set) {
	d, err := p.decide(r)
	renames := d.action == Serve && p.cookies.renames(d.https)
	s = s.over(d.https)
	inner := request.JoinCopy(w, r, s.kind, renames, func(a *answer) { a.set.Store(s) })
	if renames {
		inner.R.Header = p.cookies.incoming(r.Header)
	}
	if d.action != Serve {
		next = &refusal{p, d, r, err}
	}
	returned := false
	defer func() {
		if !returned && inner == nil {
			request.Abandon(w)
		}
	}()
	inner.Serve(next, w, r)
	returned = true
}

// A refusal is the handler of a request that next does not get.
type refusal struct {
	p   *policy
	d   decision
	r   *http.Request
	err error
}

// ServeHTTP implements [http.Handler].
func (f *refusal) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if f.d.action == RedirectHTTPS || f.d.action == RedirectHost {
		w.Header().Set("Location", f.p.location(f.d, f.r.URL))
		if f.d.action == RedirectHost { // a cache must not give it to a script, see leadsToCanonical
			request.AddVary(w.Header(), "Origin", new([1]string))
		}
		w.WriteHeader(f.p.redirect.Status)
		return
	}
	f.p.report(f.r, f.err)
	f.p.errorHandler(w, f.r, f.err)
}

// report files a refusal under the address of the client.
func (p *policy) report(r *http.Request, err error) {
	if e, ok := errors.AsType[*HostError](err); ok {
		p.reporter.Refused(r, rampart.MaliciousHost, "", rampart.Text("reason", string(e.Reason)), rampart.Text("host", e.Host))
		return
	}
	if e, ok := errors.AsType[*InsecureError](err); ok {
		attrs := []slog.Attr{rampart.Text("reason", string(e.Reason)), rampart.Text("header", e.Header)}
		if e.Field != "" { // of one peer, whatever clients it says are behind it
			peer := forwarded.Peer(r, rampart.PeerAddr(r))
			p.reporter.Report(r.Context(), rampart.InsecureTransport, "untrusted "+peer, append(attrs, slog.String("peer", peer), slog.String("set", e.Field))...)
			return
		}
		p.reporter.Refused(r, rampart.InsecureTransport, "", attrs...)
	}
}

// writeError is the default ErrorHandler.
func writeError(w http.ResponseWriter, _ *http.Request, err error) { rampart.WriteError(w, err) }

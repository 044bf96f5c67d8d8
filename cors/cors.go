package cors

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/ecolaura/rampart"
)

// A CORS is the server's side of the CORS protocol, as its [Config] says. It is safe for
// concurrent use. Create one with [New]; the zero CORS allows nobody and
// refuses every preflight.
type CORS struct {
	current atomic.Pointer[policy]
}

// New returns a CORS that behaves as cfg says, or every mistake in cfg, each a
// [*rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func New(cfg Config) (*CORS, error) {
	c := new(CORS)
	if err := c.Reconfigure(cfg); err != nil {
		return nil, err
	}
	return c, nil
}

// Reconfigure replaces the policy at once for every later request, or returns
// what [New] would and changes nothing. Requests in flight end under the policy
// that they began with.
func (c *CORS) Reconfigure(cfg Config) error {
	p, err := compile(cfg)
	if err != nil {
		return err
	}
	if old := c.current.Load(); old != nil && old.logger == cfg.Logger {
		p.reporter = old.reporter // so that repeats stay folded
	} else {
		p.reporter = rampart.NewReporter(cfg.Logger, "cors")
	}
	c.current.Store(p)
	return nil
}

func (c *CORS) policy() *policy {
	if p := c.current.Load(); p != nil {
		return p
	}
	return &policy{refusal: refusal()} // the zero CORS
}

// Check returns the verdict on r, and a [*DeniedError] if r has an Origin that
// the policy denies or is a preflight that it refuses. It neither logs nor
// responds, so it also serves outside a handler chain. It asks [Config.OriginFunc]
// as Handler does, and waits for the result.
func (c *CORS) Check(r *http.Request) (Verdict, error) {
	d := c.policy().decide(r, r.Header["Origin"])
	return d.Verdict, d.err()
}

// Handler returns a handler that responds to preflights itself, and serves every
// other request with next and the headers that the policy grants. A denied
// origin's request is served too, without them, unless [Config.Enforce] is set.
func (c *CORS) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := c.policy()
		origins := r.Header["Origin"]
		if len(origins) == 0 && !p.everyone { // most requests
			p.plain(w, r).Serve(next, w, r)
			return
		}
		d := p.decide(r, origins)
		switch {
		case d.Kind == Preflight && d.Allowed:
			p.grantPreflight(w, r)
		case d.Kind == Preflight, d.reason != "" && p.enforce:
			p.refuse(w, r, &d)
		case p.everyone:
			p.granted(w, r, wildcard).Serve(next, w, r)
		case d.Allowed:
			p.granted(w, r, d.Origin).Serve(next, w, r)
		default:
			p.serve(w, r, next, &d)
		}
	})
}

// serve responds to those that are granted nothing; d may be no denial.
func (p *policy) serve(w http.ResponseWriter, r *http.Request, next http.Handler, d *decision) {
	if d.reason != "" {
		p.report(r, d)
	}
	p.plain(w, r).Serve(next, w, r)
}

// refuse responds without next.
func (p *policy) refuse(w http.ResponseWriter, r *http.Request, d *decision) {
	p.report(r, d)
	if d.Kind == Preflight {
		deleteFamily(w.Header()) // an outer layer's
		p.varyPreflight(w.Header())
	}
	if p.debugs(r, d) {
		p.explain(w, r, d)
		return
	}
	answer := p.refusal
	if d.reason == OriginUndecided {
		answer = (&DeniedError{Reason: OriginUndecided}).Problem()
	}
	if d.Kind == Preflight && p.errorHandler == nil {
		answer.ServeHTTP(w, r)
		return
	}
	if p.errorHandler != nil {
		err := d.err()
		answer = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.errorHandler(w, r, err) })
	}
	p.plain(w, r).Serve(answer, w, r) // lets no CORS header through
}

func refusal() http.Handler { return new(DeniedError).Problem() }

// report writes the security event of a denial. A stranger's request may be an
// attack; an allowed origin that asks for too much is a mistake of its author.
// Repeats of one origin are folded, all malformed ones together.
func (p *policy) report(r *http.Request, d *decision) {
	if d.reason == OriginUndecided {
		if !errors.Is(r.Context().Err(), context.Canceled) { // else the client is gone; a deadline of ours is a slow backend
			p.reporter.Refused(r, rampart.SysBackendUnavailable, "cors", rampart.Text("error", d.cause.Error()))
		}
		return
	}
	event := rampart.MaliciousCORS
	if d.reason != OriginNotAllowed && d.reason != OriginMalformed {
		event = rampart.CORSPreflightRefused
	}
	if p.reporter.Counted(r.Context(), event, d.Origin) {
		return
	}
	p.reporter.Refused(r, event, d.Origin,
		rampart.Text("origin", d.Origin),
		slog.String("reason", string(d.reason)),
		rampart.Text("value", d.value),
		slog.String("kind", d.Kind.String()))
}

// Allow returns a CORS that lets scripts of these origins read responses, with GET,
// HEAD and POST and the safelisted headers, without cookies: a [Config] with
// Origins alone, and the errors of [New]. With no origin it allows nobody.
func Allow(origins ...string) (*CORS, error) { return New(Config{Origins: origins}) }

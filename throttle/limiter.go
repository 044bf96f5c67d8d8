package throttle

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/ecolaura/rampart"
)

// A Limiter applies policies to requests. It is safe for concurrent use.
// Create one with [New]. The zero Limiter refuses every request.
type Limiter struct {
	current atomic.Pointer[compiled]
	mu      sync.Mutex // held by Reconfigure
	calls   sync.Pool  // of *call
}

// New returns a Limiter that behaves as cfg says, or every mistake in cfg, each
// a [*rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func New(cfg Config) (*Limiter, error) {
	l := new(Limiter)
	if err := l.Reconfigure(cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// Reconfigure makes l behave as cfg says from the next request on, or returns
// every mistake in cfg and leaves l as it was. With the same Store (or none in
// both) the counts of policies stay whose name, algorithm and rate are as
// before; a changed rate starts anew.
func (l *Limiter) Reconfigure(cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.Store(compile(&cfg, l.current.Load()))
	return nil
}

// compiled is a Config in the form that requests use. It never changes.
type compiled struct {
	policies     []*policy // the shadows last
	enforced     int       // how many are no shadows
	headers      Headers
	draftPolicy  string // the RateLimit-Policy field when all enforced policies apply; "" if it varies
	backend      *backend
	overrides    *Overrides
	errorHandler func(http.ResponseWriter, *http.Request, error)
	reporter     *rampart.Reporter

	store  Store // of the Config, to tell what a later one changes
	logger *slog.Logger
}

// policy is a Policy with its parts of the header fields.
type policy struct {
	Policy
	draftName   string // as a Structured Fields string
	draftPolicy string // with its parameters; "" if the rate depends on the request
	exceeded    template
	hash        uint64 // of the name, in a Memory
	refused     *refused
}

// named returns the policy of that name, or nil.
func (c *compiled) named(name string) *policy {
	if c != nil {
		for _, p := range c.policies {
			if p.Name == name {
				return p
			}
		}
	}
	return nil
}

// compile compiles cfg, which is valid. It takes over from old, which may be
// nil, what must outlive a change: the counts, who was refused and what is being
// folded.
func compile(cfg *Config, old *compiled) *compiled {
	c := &compiled{headers: cfg.Headers, errorHandler: cfg.ErrorHandler, overrides: cfg.Overrides, store: cfg.Store, logger: cfg.Logger}
	for _, shadow := range [...]bool{false, true} {
		for i := range cfg.Policies {
			if cfg.Policies[i].Shadow == shadow {
				c.policies = append(c.policies, compilePolicy(&cfg.Policies[i], old))
			}
		}
		if !shadow {
			c.enforced = len(c.policies)
		}
	}
	if c.overrides != nil {
		c.overrides.know(c.policies)
	}
	c.draftPolicy = joinDraftPolicies(c.policies[:c.enforced])
	if old != nil && old.logger == cfg.Logger {
		c.reporter = old.reporter
	} else {
		c.reporter = rampart.NewReporter(cfg.Logger, "throttle")
	}
	c.backend = newBackend(cfg, c.reporter, old)
	if m := c.backend.memory; m != nil {
		for _, p := range c.policies {
			p.hash = m.policyHash(p.Name)
		}
	}
	return c
}

func compilePolicy(p *Policy, old *compiled) *policy {
	q := &policy{Policy: *p, draftName: `"` + p.Name + `"`, exceeded: exceededTemplate(p.Name)}
	if before := old.named(p.Name); before != nil {
		q.refused = before.refused
	} else {
		q.refused = newRefused()
	}
	if p.RateFor == nil {
		q.draftPolicy = string(appendDraftPolicy(nil, q, &Item{Rate: p.Rate, Algorithm: p.Algorithm}))
	}
	return q
}

// A Decision says what the policies made of a request.
type Decision struct {
	Allowed  bool     // the request may pass
	Overflow bool     // a charge went to the shared bucket of a full table
	Policy   string   // if not Allowed: the policy with the longest wait
	Results  []Result // of the policies that apply, without shadows; none while FailOpen holds
}

// Check charges r to the policies that apply to it. Each call charges: call it
// once for a request, and not behind [Limiter.Handler] of the same Limiter.
// The error is nil if the request may pass, and a [*DeniedError] otherwise.
//
// It does not respond and reports no refusal, so it also serves outside a
// handler chain. Policies with a Refund keep their charge.
func (l *Limiter) Check(r *http.Request) (Decision, error) {
	c := l.current.Load()
	if c == nil {
		return Decision{}, &DeniedError{Reason: NotConfigured}
	}
	q := l.newCall()
	defer l.free(q)
	c.decide(r, q)
	return q.outcome()
}

// Take charges cost, at least 1, to one policy: for what a request turns out
// to cost or do inside a handler. The key is what the policy's [KeyFunc] would
// return. The error is nil if it may pass, a [*DeniedError] if not, which is
// then reported, or says what is wrong with the call: [ErrUnknownPolicy],
// [ErrNeedsRequest], [ErrInvalidCall]. Ending ctx does not undo the charge.
func (l *Limiter) Take(ctx context.Context, policy, key string, cost int) (Decision, error) {
	d, _, err := l.take(ctx, policy, key, cost, false)
	return d, err
}

// Reserve is [Limiter.Take] for what may turn out not to have happened: refund
// gives the charge back, to where it was made. A second call does nothing, and
// if the store fails the charge stands. With an error refund is nil.
func (l *Limiter) Reserve(ctx context.Context, policy, key string, cost int) (d Decision, refund func(context.Context), err error) {
	return l.take(ctx, policy, key, cost, true)
}

// take makes a refund only for who may want it: it is on the heap.
func (l *Limiter) take(ctx context.Context, policy, key string, cost int, refundable bool) (d Decision, refund func(context.Context), err error) {
	if cost < 1 {
		return Decision{}, nil, ErrInvalidCall
	}
	c, p, err := l.policy(policy, key)
	if err != nil {
		return Decision{}, nil, err
	}
	q := l.newCall()
	defer l.free(q)
	c.add(q, p, key, p.Rate, cost)
	if !p.Shadow {
		q.enforced = 1
	}
	c.charge(ctx, q)
	if q.denied() {
		c.reporter.Report(ctx, rampart.ExcessRateLimit, q.foldKey(), q.attrs()...)
	}
	if d, err = q.outcome(); err == nil && refundable {
		refund = c.refundOnce(q)
	}
	return d, refund, err
}

// refundOnce returns what gives the charge of q's one item back; q is used for
// other calls by then.
func (c *compiled) refundOnce(q *call) func(context.Context) {
	item, charged := q.items[0], q.modes[0]
	item.At = q.results[0].At
	var done atomic.Bool
	return func(ctx context.Context) {
		if charged != uncharged && !done.Swap(true) {
			c.backend.give(ctx, []Item{item}, charged)
		}
	}
}

// Peek returns the state of a bucket and charges nothing. Its errors are those
// of [Limiter.Take], but a caller who may not go is no error.
func (l *Limiter) Peek(ctx context.Context, policy, key string) (Result, error) {
	c, p, err := l.policy(policy, key)
	if err != nil {
		return Result{}, err
	}
	items := []Item{{Policy: p.Name, Key: key, Rate: c.overrides.tighten(p, p.Rate), Algorithm: p.Algorithm}}
	out := []Result{{Policy: p.Name, Limit: items[0].Limit(), Remaining: items[0].Limit()}}
	if _, _, err = c.backend.take(ctx, items, out); err != nil {
		return Result{}, &DeniedError{Reason: StoreUnavailable, Policy: p.Name, Err: err}
	}
	return out[0], nil
}

// Reset fills the bucket of key under policy again, for each rate that it had.
// The error is that of the store, or says what is wrong with the call:
// [ErrUnknownPolicy], [ErrInvalidCall].
func (l *Limiter) Reset(ctx context.Context, policy, key string) error {
	c, _, err := l.policy(policy, key)
	if err != nil && err != ErrNeedsRequest { //nolint:errorlint // our own, not wrapped
		return err
	}
	return c.backend.reset(ctx, policy, key)
}

// policy returns the policy of that name, if a call without a request can use
// it; with ErrNeedsRequest too, if it is there.
func (l *Limiter) policy(name, key string) (*compiled, *policy, error) {
	c := l.current.Load()
	if c == nil {
		return nil, nil, &DeniedError{Reason: NotConfigured}
	}
	p := c.named(name)
	switch {
	case p == nil:
		return nil, nil, ErrUnknownPolicy
	case key == "":
		return nil, nil, ErrInvalidCall
	case p.RateFor != nil:
		return c, p, ErrNeedsRequest
	}
	return c, p, nil
}

func (l *Limiter) newCall() *call {
	if q, ok := l.calls.Get().(*call); ok {
		return q
	}
	return new(call)
}

func (l *Limiter) free(q *call) {
	q.reset()
	l.calls.Put(q)
}

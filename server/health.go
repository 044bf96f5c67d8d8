package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A HealthCheck reports whether one thing that the service needs is there.
type HealthCheck struct {
	Name  string                          // required, unique: in the log, and in [Health.Detail]
	Check func(ctx context.Context) error // nil error: it is there. Must return when ctx ends

	// Optional is true for what the service can do without for a while, such as a
	// Redis whose outage each instance bridges: its failure is logged and shown, and
	// the service stays ready. Readiness waits 100 ms for it at most.
	Optional bool

	// Info returns facts for [Health.Detail], which calls it at each request, also
	// while the check fails; nil means none. It must not block, and returns what JSON
	// can hold.
	Info func() map[string]any
}

// HealthConfig configures a [Health].
type HealthConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Checks are what readiness depends on, 32 at most. They run side by side,
	// one run at a time, whatever asks.
	Checks []HealthCheck

	// Timeout is how long one run may take; 0 means 2 s. A check that has not
	// answered by then has failed, and is not asked again while it still runs.
	Timeout time.Duration

	// Keep is how long a result is kept; 0 means 1 s. Meanwhile nothing is
	// checked, so that probes, or strangers who find the path, cost nothing. That
	// the service is not ready is kept for 200 ms at most, so that its recovery
	// shows soon.
	Keep time.Duration

	// Version of the program, for [Health.Detail]; empty means that none is shown.
	Version string

	// Logger receives an event when a check begins to fail, and when it
	// recovers; nil means [slog.Default].
	Logger *slog.Logger
}

// Health is for a load balancer's two questions. [Health.Live]: does this
// process run at all? If not, restart it. [Health.Ready]: should it get
// requests now? If not, give them to others. [Health.Detail] tells operators why. It
// is safe for concurrent use. The
// zero value is never ready. Create one with [NewHealth].
type Health struct {
	checks   []*check
	timeout  time.Duration
	keep     time.Duration
	version  string
	reporter *rampart.Reporter
	drained  atomic.Bool

	turn chan struct{} // who holds it may start a run

	mu   sync.Mutex
	last result
}

// check is a HealthCheck with what is known of it. Health.mu guards it.
type check struct {
	HealthCheck
	running bool // still, perhaps from a run that did not wait for it
	began   time.Time
	took    time.Duration
	err     error
	failed  bool      // as last reported
	since   time.Time // when it was first found as it is
}

// result is what one run found.
type result struct {
	at time.Time
	ok bool
}

const (
	keepBad = 200 * time.Millisecond // a result that is not ready, at most
	grace   = 100 * time.Millisecond // for optional checks
)

var (
	errNotReady = errors.New("server: not ready")                  // read-only
	errTimeout  = errors.New("server: the check has not answered") // read-only
)

// NewHealth returns a Health for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func NewHealth(cfg HealthConfig) (*Health, error) {
	bad := conferr.For("server.HealthConfig")
	bad.If(len(cfg.Checks) > 32, "Checks", rampart.ReasonInvalid, len(cfg.Checks), "use up to 32 checks")
	h := &Health{timeout: cfg.Timeout, keep: cfg.Keep, version: cfg.Version, reporter: rampart.NewReporter(cfg.Logger, "server"), turn: make(chan struct{}, 1)}
	for i, c := range cfg.Checks {
		same := func(o HealthCheck) bool { return o.Name == c.Name }
		bad.If(c.Name == "", "Checks.Name", rampart.ReasonMissing, nil, "give each check a name for the log")
		bad.If(c.Name != "" && slices.ContainsFunc(cfg.Checks[:i], same), "Checks.Name", rampart.ReasonDuplicate, c.Name, "give each check a name of its own")
		bad.If(c.Check == nil, "Checks.Check", rampart.ReasonMissing, c.Name, "give a function that returns nil while the dependency answers")
		h.checks = append(h.checks, &check{HealthCheck: c, err: errTimeout})
	}
	for _, d := range []struct {
		field    string
		value    *time.Duration
		fallback time.Duration
		want     string
	}{{"Timeout", &h.timeout, 2 * time.Second, "use up to 1m; 0 means 2s"}, {"Keep", &h.keep, time.Second, "use up to 1m; 0 means 1s"}} {
		switch {
		case *d.value < 0 || *d.value > time.Minute:
			bad.Add(d.field, rampart.ReasonInvalid, *d.value, d.want)
		case *d.value == 0:
			*d.value = d.fallback
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	h.turn <- struct{}{}
	return h, nil
}

// Drain makes the service not ready from now on: call it when a shutdown
// begins, and serve on for as long as load balancers take to notice. A [Server] that
// has the Health does both.
func (h *Health) Drain() { h.drained.Store(true) }

// Check returns nil if the service is ready. It waits for a run of the checks
// unless a result is kept; ctx ends the wait, not the run.
func (h *Health) Check(ctx context.Context) error {
	if !h.drained.Load() {
		if r, err := h.result(ctx); err == nil && r.ok {
			return nil
		}
	}
	return errNotReady
}

func (h *Health) result(ctx context.Context) (result, error) {
	if h.turn == nil {
		return result{}, nil
	}
	if r, ok := h.kept(); ok {
		return r, nil
	}
	select {
	case <-h.turn:
		defer func() { h.turn <- struct{}{} }()
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	if r, ok := h.kept(); ok { // another has run them meanwhile
		return r, nil
	}
	// The run serves all who wait, so it does not end with the one who began it.
	return h.run(context.WithoutCancel(ctx)), nil
}

func (h *Health) kept() (result, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	keep := h.keep
	if !h.last.ok {
		keep = min(keep, keepBad)
	}
	return h.last, !h.last.at.IsZero() && time.Since(h.last.at) < keep
}

// run runs the checks and keeps what they find. The caller has the turn.
func (h *Health) run(ctx context.Context) result {
	began := time.Now()
	full, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	required, optional := make(chan struct{}, len(h.checks)), make(chan struct{}, len(h.checks))
	var needed, others int
	for _, c := range h.checks {
		switch {
		case !h.begin(c, began):
		case c.Optional:
			others++
			h.probe(ctx, c, optional)
		default:
			needed++
			h.probe(ctx, c, required)
		}
	}
	gather(full, required, needed)
	short, cancel := context.WithTimeout(full, grace)
	defer cancel()
	gather(short, optional, others)
	return h.keepResult(ctx)
}

// gather waits for n results, or the end of ctx.
func gather(ctx context.Context, answers <-chan struct{}, n int) {
	for range n {
		select {
		case <-answers:
		case <-ctx.Done():
			return
		}
	}
}

// begin reports whether c may be asked: not while it still works on its last
// response.
func (h *Health) begin(c *check, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.running {
		return false
	}
	c.running, c.began = true, now
	return true
}

// probe asks c, on a goroutine that ends with c's answer; there is one at most
// for each check.
func (h *Health) probe(ctx context.Context, c *check, done chan<- struct{}) {
	go func() {
		ctx, cancel := context.WithTimeout(ctx, h.timeout)
		defer cancel()
		err := errors.New("server: the check has panicked")
		defer func() {
			_ = recover() // a check that panics has failed
			h.mu.Lock()
			c.running, c.err, c.took = false, err, time.Since(c.began)
			h.mu.Unlock()
			done <- struct{}{}
		}()
		err = c.Check(ctx)
	}()
}

// found returns what c was last found to be. It is pending while it still has time
// for its response. The caller has the lock.
func (h *Health) found(c *check, now time.Time) (err error, pending bool) { //nolint:revive // pending says more of err
	switch {
	case !c.running:
		return c.err, false
	case now.Sub(c.began) < h.timeout:
		return c.err, true
	default:
		return errTimeout, false
	}
}

// keepResult gathers what the checks have found, and reports what has changed.
func (h *Health) keepResult(ctx context.Context) result {
	type change struct {
		name string
		err  error
	}
	var changes []change
	r := result{at: time.Now(), ok: true}
	h.mu.Lock()
	for _, c := range h.checks {
		err, pending := h.found(c, r.at)
		if pending { // an optional one, and what it was before stands
			continue
		}
		failed := err != nil
		r.ok = r.ok && (!failed || c.Optional)
		if failed != c.failed {
			changes = append(changes, change{c.Name, err})
		}
		if failed != c.failed || c.since.IsZero() {
			c.failed, c.since = failed, r.at
		}
	}
	h.last = r
	h.mu.Unlock()
	for _, c := range changes {
		if c.err != nil {
			h.reporter.Report(ctx, rampart.SysBackendUnavailable, "health "+c.name, slog.String("backend", c.name), rampart.Text("error", c.err.Error()))
		} else {
			h.reporter.Report(ctx, rampart.SysBackendRecovered, "health "+c.name, slog.String("backend", c.name))
		}
	}
	return r
}

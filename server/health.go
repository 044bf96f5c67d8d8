package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A HealthCheck reports whether one thing that the service needs is there.
type HealthCheck struct {
	Name  string                          // required, unique: in the log, and in what [HealthConfig].Detail may see
	Check func(ctx context.Context) error // nil error: it is there. Must return when ctx ends
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
	// checked, so that probes, or strangers who find the path, cost nothing.
	Keep time.Duration

	// Detail says who may see which check failed, such as an operator's
	// request; nil means nobody. What a check failed with is only in the log.
	Detail func(r *http.Request) bool

	// Logger receives an event when a check begins to fail, and when it
	// recovers; nil means [slog.Default].
	Logger *slog.Logger
}

// Health answers a load balancer's two questions. [Health.Live]: does this
// process run at all? If not, restart it. [Health.Ready]: should it get
// requests now? If not, give them to others. It is safe for concurrent use. The
// zero value is never ready. Create one with [NewHealth].
type Health struct {
	checks   []*check
	timeout  time.Duration
	keep     time.Duration
	detail   func(*http.Request) bool
	reporter *rampart.Reporter
	drained  atomic.Bool

	turn chan struct{} // who holds it may start a run

	mu   sync.Mutex
	last result
}

// check is a HealthCheck with what is known of it. Health.mu guards it.
type check struct {
	HealthCheck
	running bool // still, from a run that did not wait for it
	err     error
	failed  bool // as last reported
}

// result is what one run found.
type result struct {
	at     time.Time
	ok     bool
	checks map[string]string // "ok" or "failed"
}

var (
	errNotReady = errors.New("server: not ready")                  // read-only
	errTimeout  = errors.New("server: the check has not answered") // read-only
)

// NewHealth returns a Health for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func NewHealth(cfg HealthConfig) (*Health, error) {
	bad := conferr.For("server.HealthConfig")
	bad.If(len(cfg.Checks) > 32, "Checks", rampart.ReasonInvalid, len(cfg.Checks), "use up to 32 checks")
	h := &Health{timeout: cfg.Timeout, keep: cfg.Keep, detail: cfg.Detail, reporter: rampart.NewReporter(cfg.Logger), turn: make(chan struct{}, 1)}
	for i, c := range cfg.Checks {
		same := func(o HealthCheck) bool { return o.Name == c.Name }
		bad.If(c.Name == "", "Checks.Name", rampart.ReasonMissing, nil, "give each check a name for the log")
		bad.If(c.Name != "" && slices.ContainsFunc(cfg.Checks[:i], same), "Checks.Name", rampart.ReasonDuplicate, c.Name, "give each check a name of its own")
		bad.If(c.Check == nil, "Checks.Check", rampart.ReasonMissing, c.Name, "give a function that returns nil while the dependency answers")
		h.checks = append(h.checks, &check{HealthCheck: c})
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
// begins, and serve on for as long as load balancers take to notice.
func (h *Health) Drain() { h.drained.Store(true) }

// Check returns nil if the service is ready. It waits for a run of the checks
// unless a result is kept; ctx ends the wait, not the run.
func (h *Health) Check(ctx context.Context) error {
	if r, err := h.result(ctx); err != nil || !r.ok {
		return errNotReady
	}
	return nil
}

func (h *Health) result(ctx context.Context) (result, error) {
	if h.turn == nil || h.drained.Load() {
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
	return h.last, !h.last.at.IsZero() && time.Since(h.last.at) < h.keep
}

// run runs the checks and keeps what they find. The caller has the turn.
func (h *Health) run(ctx context.Context) result {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	done := make(chan struct{}, len(h.checks))
	waiting := 0
	for _, c := range h.checks {
		if h.begin(c) {
			waiting++
			h.probe(ctx, c, done)
		}
	}
	for range waiting {
		select {
		case <-done:
		case <-ctx.Done(): // those still at it have failed
			return h.keepResult(ctx)
		}
	}
	return h.keepResult(ctx)
}

// begin reports whether c may be asked: not while it still works on its last
// answer. Until it has one, it has failed.
func (h *Health) begin(c *check) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.running {
		return false
	}
	c.running, c.err = true, errTimeout
	return true
}

// probe asks c, on a goroutine that ends with c's answer; there is one at most
// for each check.
func (h *Health) probe(ctx context.Context, c *check, done chan<- struct{}) {
	go func() {
		err := errors.New("server: the check has panicked")
		defer func() {
			_ = recover() // a check that panics has failed
			h.mu.Lock()
			c.running, c.err = false, err
			h.mu.Unlock()
			done <- struct{}{}
		}()
		err = c.Check(ctx)
	}()
}

// keepResult gathers what the checks have found, and reports what has changed.
func (h *Health) keepResult(ctx context.Context) result {
	type change struct {
		name string
		err  error
	}
	var changes []change
	r := result{at: time.Now(), ok: true, checks: make(map[string]string, len(h.checks))}
	h.mu.Lock()
	for _, c := range h.checks {
		r.checks[c.Name] = "ok"
		if c.err != nil {
			r.checks[c.Name], r.ok = "failed", false
		}
		if failed := c.err != nil; failed != c.failed {
			c.failed = failed
			changes = append(changes, change{c.Name, c.err})
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

// Live returns a handler that answers 200 as long as the process serves at all.
// It asks nothing else: a database that is down is no reason to restart.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writeHealth(w, r, true, nil) })
}

// Ready returns a handler that answers 200 or 503, and to those whom Detail
// admits also which check has failed.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, err := h.result(r.Context())
		var checks map[string]string
		if h.detail != nil && h.detail(r) {
			checks = found.checks
		}
		writeHealth(w, r, err == nil && found.ok, checks)
	})
}

func writeHealth(w http.ResponseWriter, r *http.Request, ok bool, checks map[string]string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		(&rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"}).Write(w)
		return
	}
	if !ok {
		p := &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable"}
		if checks != nil {
			p.Extensions = map[string]any{"checks": checks}
		}
		p.Write(w)
		return
	}
	body, err := json.Marshal(struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks,omitempty"`
	}{"ok", checks})
	if err != nil { // unreachable: strings always marshal
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Content-Length", strconv.Itoa(len(body)+1))
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write(append(body, '\n')) // the prober is gone if this fails
	}
}

package redisx

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
)

// What opens the circuit: five failures in a row, or more than one in three for
// a while. A failure weighs two, a success takes one off.
const (
	failureWeight = 2
	openAt        = 5 * failureWeight
)

// probeEvery is how often one call tries again while the circuit is open. A pool
// that hands out dead connections one after the other needs many.
const probeEvery = 100 * time.Millisecond

// A breaker keeps calls away from a server that fails: each would wait for its
// timeout, and keep the server from coming back.
type breaker struct {
	events  *events
	started time.Time
	weight  atomic.Int64 // of recent failures
	open    atomic.Bool
	probe   atomic.Int64 // when the next call may try, in nanoseconds since started
}

func newBreaker(e *events) *breaker { return &breaker{events: e, started: time.Now()} }

// try is a call that may be made.
type try struct {
	b     *breaker
	probe bool
}

// enter reports whether a call may be made. Only one that is fit for it, since it
// has time to learn something, may probe an open circuit.
func (b *breaker) enter(fit bool) (try, bool) {
	if !b.open.Load() {
		return try{b: b}, true
	}
	if !fit {
		return try{}, false
	}
	now, at := int64(time.Since(b.started)), b.probe.Load()
	return try{b, true}, now >= at && b.probe.CompareAndSwap(at, now+int64(probeEvery))
}

// succeeded closes the circuit if this was a probe. What was under way before
// says nothing about now.
func (t try) succeeded(ctx context.Context) {
	b := t.b
	if !t.probe {
		if w := b.weight.Load(); w > 0 {
			b.weight.CompareAndSwap(w, w-1) // who loses a race leaves it: it is an estimate
		}
		return
	}
	b.weight.Store(0)
	if b.open.CompareAndSwap(true, false) && b.events.open.Add(-1) == 0 {
		b.events.report(ctx, rampart.SysBackendRecovered, "redis")
	}
}

func (t try) failed(ctx context.Context, err error) {
	b := t.b
	if t.probe || b.weight.Add(failureWeight) < openAt || b.open.Load() {
		return
	}
	b.probe.Store(int64(time.Since(b.started) + probeEvery))
	if b.open.CompareAndSwap(false, true) && b.events.open.Add(1) == 1 {
		b.events.report(ctx, rampart.SysBackendUnavailable, "redis", rampart.Text("error", err.Error()))
	}
}

// events reports an outage when the first circuit opens and when the last one
// closes.
type events struct {
	reporter *rampart.Reporter
	layer    string // "": nothing is reported
	open     atomic.Int32
}

func (e *events) report(ctx context.Context, event rampart.Event, key string, attrs ...slog.Attr) {
	if e.layer != "" {
		e.reporter.Report(ctx, event, key, append([]slog.Attr{slog.String("backend", "redis")}, attrs...)...)
	}
}

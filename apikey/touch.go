package apikey

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
)

// A toucher collects when keys were used and writes it in batches. It runs no
// goroutine of its own: a batch is written by the timer that its first entry
// arms, or by close, which also waits for one that is being written.
type toucher struct {
	store Store
	every time.Duration // negative: off
	rep   *rampart.Reporter

	writing chan struct{} // holds a token while a batch is being written

	mu      sync.Mutex
	pending map[string]time.Time // bounded by the number of keys: only good ones get here
	timer   *time.Timer          // armed while pending holds something
	closed  bool
}

// touchTimeout bounds one write.
const touchTimeout = 5 * time.Second

func newToucher(store Store, every time.Duration, rep *rampart.Reporter) *toucher {
	if every == 0 {
		every = time.Minute
	}
	return &toucher{store: store, every: every, rep: rep, writing: make(chan struct{}, 1), pending: map[string]time.Time{}}
}

// due reports whether the use of a key is worth noting, if last is the last one
// that was.
func (t *toucher) due(last, now time.Time) bool { return t.every >= 0 && now.Sub(last) >= t.every }

// add notes that a key was used.
func (t *toucher) add(id string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.pending[id] = instant(now)
	t.arm()
}

// arm sees to it that what is pending gets written. The caller holds t.mu.
func (t *toucher) arm() {
	if t.timer == nil {
		t.timer = time.AfterFunc(t.every, func() {
			if err := t.write(); err != nil {
				t.rep.Report(context.Background(), rampart.SysBackendUnavailable, kind+" last used", rampart.Text("error", err.Error()))
			}
		})
	}
}

// write writes what is pending. What a failing store does not take is kept for
// the next time.
func (t *toucher) write() error {
	ctx, cancel := context.WithTimeout(context.Background(), touchTimeout)
	defer cancel()
	select {
	case t.writing <- struct{}{}:
		defer func() { <-t.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	t.mu.Lock()
	batch := t.pending
	t.pending = map[string]time.Time{}
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	t.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := t.store.Touch(ctx, batch)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		maps.Copy(batch, t.pending) // these are newer
		t.pending = batch
		if !t.closed {
			t.arm()
		}
	}
	return err
}

func (t *toucher) close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	return t.write()
}

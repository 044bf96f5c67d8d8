package throttle

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
)

// backend calls the store, in bounded time, and follows the outage policy when
// that fails. A Memory cannot fail and is called as it is.
type backend struct {
	store    Store
	memory   *Memory // the store, if it is one
	timeout  time.Duration
	outage   rampart.Outage
	local    *Memory // for FallBack
	among    func() int
	reporter *rampart.Reporter
	down     atomic.Bool
}

// mode is how a charge was made, for its refund.
type mode uint8

const (
	uncharged mode = iota // FailOpen: the results say nothing
	inStore
	inLocal // FallBack
)

// newBackend takes over the default store of old, so that its counts stay, and
// what else of old still fits.
func newBackend(cfg *Config, reporter *rampart.Reporter, old *compiled) *backend {
	b := &backend{store: cfg.Store, timeout: cfg.Timeout, outage: cfg.Outage, among: cfg.Instances, reporter: reporter}
	if b.timeout == 0 {
		b.timeout = defaultTimeout
	}
	if old != nil && sameStore(old.store, cfg.Store) {
		b.store, b.local = old.backend.store, old.backend.local
		b.down.Store(old.backend.down.Load())
	}
	if b.store == nil {
		b.store = NewMemory(0)
	}
	b.memory, _ = b.store.(*Memory)
	if b.memory == nil && b.outage == rampart.FallBack && b.local == nil {
		b.local = NewMemory(0)
	}
	if b.memory == nil && b.among == nil {
		replicas := cfg.Replicas
		b.among = func() int { return replicas }
	}
	return b
}

// sameStore compares without the panic of a type that cannot be compared.
func sameStore(a, b Store) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && (a == nil || reflect.ValueOf(a).Comparable() && a == b)
}

// take charges items, and changes those that it charges this process's share of. The
// error is that of the store, with FailClosed or because this process is too busy.
func (b *backend) take(ctx context.Context, items []Item, out []Result) (bool, mode, error) {
	if b.memory != nil {
		return b.takeShare(ctx, b.memory, items, out), inStore, nil
	}
	callCtx, cancel := b.limit(ctx)
	defer cancel()
	allowed, err := b.store.Take(callCtx, items, out)
	b.note(ctx, err)
	if err == nil {
		return allowed, inStore, nil
	}
	switch {
	case errors.Is(err, ErrBusy):
		return false, uncharged, err
	case b.outage == rampart.FailOpen:
		return true, uncharged, nil
	case b.outage == rampart.FallBack:
		return b.takeShare(ctx, b.local, items, out), inLocal, nil
	default:
		return false, uncharged, err
	}
}

// takeShare charges items, of which this process lets pass its share.
func (b *backend) takeShare(ctx context.Context, m *Memory, items []Item, out []Result) bool {
	if b.among != nil {
		n := b.among()
		for i := range items {
			items[i].share(n)
		}
	}
	allowed, _ := m.Take(ctx, items, out) // a Memory cannot fail
	for i := range items {
		if unit := items[i].unit; unit > 1 {
			out[i].Remaining /= unit
		}
	}
	return allowed
}

// give takes charges back. If that fails they stand: callers pay too much
// rather than too little.
func (b *backend) give(ctx context.Context, items []Item, m mode) {
	if m == inLocal {
		_ = b.local.Give(ctx, items) // a Memory cannot fail
		return
	}
	if b.memory != nil {
		_ = b.memory.Give(ctx, items) // a Memory cannot fail
		return
	}
	ctx, cancel := b.limit(ctx)
	defer cancel()
	b.note(ctx, b.store.Give(ctx, items))
}

func (b *backend) reset(ctx context.Context, policy, key string) error {
	if b.local != nil {
		_ = b.local.Reset(ctx, policy, key) // a Memory cannot fail
	}
	ctx, cancel := b.limit(ctx)
	defer cancel()
	err := b.store.Reset(ctx, policy, key)
	b.note(ctx, err)
	return err
}

// limit bounds a call by the timeout and by nothing else: a client that hangs
// up must not escape its charge.
func (b *backend) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), b.timeout)
}

// note reports when the store begins to fail and when it recovers. That this process
// is busy says neither.
func (b *backend) note(ctx context.Context, err error) {
	if errors.Is(err, ErrBusy) {
		return
	}
	failed := err != nil
	if _, itself := b.store.(OutageReporter); itself || b.down.Load() == failed || !b.down.CompareAndSwap(!failed, failed) {
		return
	}
	if failed {
		b.reporter.Report(ctx, rampart.SysBackendUnavailable, "throttle", rampart.Text("error", err.Error()))
	} else {
		b.reporter.Report(ctx, rampart.SysBackendRecovered, "throttle")
	}
}

// share has it charge what a request costs one of n processes that share a rate and
// count by themselves: n times as much. Its bucket stays the same when n changes. One
// that holds less lets a single request pass, in a longer period if need be.
func (it *Item) share(n int) {
	n = min(max(n, 1), maxCount)
	whole, pass := it.Limit(), 1
	if n > whole {
		it.Rate = it.Rate.oneOf(n)
	} else {
		it.unit, pass = n, whole/n
	}
	if it.Cost <= whole { // a cost that the store lets pass must not be refused for ever
		it.Cost = min(it.Cost, pass) * max(it.unit, 1)
	}
}

// oneOf returns the share of one of n processes, more than r lets pass at once.
func (r Rate) oneOf(n int) Rate {
	if r.Count >= n { // of a bucket with a smaller burst
		r.Count /= n
	} else {
		longer := int64((n + r.Count - 1) / r.Count)
		r.Period = time.Duration(min(int64(r.Period), int64(maxPeriod)/longer) * longer)
		r.Count = 1
	}
	r.Burst = min(r.Burst, 1)
	return r
}

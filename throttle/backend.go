package throttle

import (
	"context"
	"errors"
	"log/slog"
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
	replicas int
	reporter *rampart.Reporter
	down     atomic.Bool
}

// mode is how a charge was made, for its refund.
type mode uint8

const (
	uncharged mode = iota // FailOpen: the results say nothing
	inStore
	inLocal // FallBack: the items' rates are this process's share
)

// newBackend takes over the default store of old, so that its counts stay, and
// what else of old still fits.
func newBackend(cfg *Config, reporter *rampart.Reporter, old *compiled) *backend {
	b := &backend{store: cfg.Store, timeout: cfg.Timeout, outage: cfg.Outage, replicas: cfg.Replicas, reporter: reporter}
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
	return b
}

// sameStore compares without the panic of a type that cannot be compared.
func sameStore(a, b Store) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && (a == nil || reflect.ValueOf(a).Comparable() && a == b)
}

// take charges items. With FallBack it may change them. The error is that of the
// store, with FailClosed or because this process is too busy.
func (b *backend) take(ctx context.Context, items []Item, out []Result) (bool, mode, error) {
	if b.memory != nil {
		allowed, err := b.memory.Take(ctx, items, out)
		return allowed, inStore, err
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
		for i := range items {
			b.share(&items[i])
		}
		allowed, err = b.local.Take(ctx, items, out)
		return allowed, inLocal, err
	default:
		return false, uncharged, err
	}
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
		b.reporter.Report(ctx, rampart.SysBackendUnavailable, "throttle", slog.String("layer", "throttle"), rampart.Text("error", err.Error()))
	} else {
		b.reporter.Report(ctx, rampart.SysBackendRecovered, "throttle", slog.String("layer", "throttle"))
	}
}

// share reduces it to what one of the replicas may let pass: at least 1, in a
// longer period if need be.
func (b *backend) share(it *Item) {
	r, whole := &it.Rate, it.Limit()
	if r.Count >= b.replicas {
		r.Count /= b.replicas
	} else {
		longer := int64((b.replicas + r.Count - 1) / r.Count)
		r.Period = time.Duration(min(int64(r.Period), int64(maxPeriod)/longer) * longer)
		r.Count = 1
	}
	if r.Burst > 0 {
		r.Burst = max(r.Burst/b.replicas, 1)
	}
	if it.Cost <= whole { // else a cost that the store lets pass never would
		it.Cost = min(it.Cost, it.Limit())
	}
}

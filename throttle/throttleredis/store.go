package throttleredis

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ecolaura/rampart/internal/redisx"
	"github.com/ecolaura/rampart/throttle"
)

// A Store is a [throttle.Store] in Redis. It is safe for concurrent use, and
// has nothing to close: the client stays its maker's. Create one with [New]; the
// zero Store fails, so that Limiters follow their outage policy.
//
// Its [throttle.SlidingWindow] decides as that of a [throttle.Memory] does. Its times
// are whole microseconds.
type Store struct {
	redis      *redisx.Client // nil: the zero Store
	take, give redisx.Script
	prefix     string
	spread     bool
	denied     *denyCache // nil: refusals are not remembered
}

// Errors of a [Store] that are not the client's own.
var (
	// ErrOpen is returned without asking while Redis is known to fail.
	ErrOpen = redisx.ErrOpen
	// ErrItems is returned for items that cannot be charged by one call: two
	// of one policy and key, a rate that is not valid or, with Config.Spread,
	// keys that differ.
	ErrItems = errors.New("throttleredis: items that no call can charge together")
)

// New returns a Store that asks Redis through do, or every mistake in cfg, each
// a [rampart.ConfigError], joined. It sends nothing yet.
func New(do DoFunc, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(do); err != nil {
		return nil, err
	}
	take, give := scripts()
	return &Store{
		redis: redisx.New(do, cfg.Timeout, "throttle/throttleredis", cfg.Logger),
		take:  redisx.NewScript(take), give: redisx.NewScript(give),
		prefix: cfg.Prefix, spread: cfg.Spread, denied: newDenyCache(cfg.DenyFor),
	}, nil
}

// ReportsOutages tells a Limiter that the log already hears of outages.
func (*Store) ReportsOutages() {}

// CircuitOpen reports whether Redis is known to fail: calls return [ErrOpen] then without
// asking it, but for ten a second.
func (s *Store) CircuitOpen() bool { return s.redis.Open() }

// batch is space for the items of one call.
type batch struct {
	ids   [8]bucketID
	items [8]item
	// generations of the denyCache's slots
	generations [8]uint64
}

// Take implements [throttle.Store].
func (s *Store) Take(ctx context.Context, items []throttle.Item, out []throttle.Result) (bool, error) {
	if len(items) == 0 {
		return true, nil
	}
	var space batch
	ids, converted, generations := space.ids[:0], space.items[:0], space.generations[:0]
	for i := range items {
		x, ok := convert(&items[i])
		if !ok {
			return false, ErrItems
		}
		ids, converted = append(ids, idOf(items[i].Policy, items[i].Key)), append(converted, x)
		generations = append(generations, 0)
	}
	if s.denied.refuses(ids, items, converted, generations, out) {
		return false, nil
	}
	reply, err := s.run(ctx, s.take, ids, items, converted)
	if err != nil {
		return false, err
	}
	allowed, err := parseReply(reply, items, converted, out)
	if err == nil && !allowed {
		s.denied.remember(ids, items, generations, out)
	}
	return allowed, err
}

// Give implements [throttle.Store].
func (s *Store) Give(ctx context.Context, items []throttle.Item) error {
	var space batch
	ids, converted, given := space.ids[:0], space.items[:0], make([]throttle.Item, 0, len(items))
	for i := range items {
		if x, ok := convert(&items[i]); ok && x.charged {
			ids, converted = append(ids, idOf(items[i].Policy, items[i].Key)), append(converted, x)
			given = append(given, items[i])
		}
	}
	if len(given) == 0 {
		return nil
	}
	_, err := s.run(ctx, s.give, ids, given, converted)
	for _, id := range ids { // also after an error: it may have been given
		s.denied.forget(id)
	}
	return err
}

// Reset implements [throttle.Store]. With Config.Spread it is one step for each
// key.
func (s *Store) Reset(ctx context.Context, policy string, keys ...string) error {
	var errs []error
	del := []any{"DEL"}
	for i, key := range keys {
		id := idOf(policy, key)
		del = append(del, s.redisKey(id, key))
		if s.spread || i == len(keys)-1 {
			_, err := named(s.redis.Do(ctx, del...))
			errs = append(errs, err)
			del = del[:1:1]
		}
	}
	for _, key := range keys {
		s.denied.forget(idOf(policy, key))
	}
	return errors.Join(errs...)
}

// run runs a script for items.
func (s *Store) run(ctx context.Context, sc redisx.Script, ids []bucketID, items []throttle.Item, converted []item) (any, error) {
	words := make([]any, 0, 2*len(items))
	for i := range items {
		if slices.Contains(ids[:i], ids[i]) || s.spread && items[i].Key != items[0].Key {
			return nil, ErrItems
		}
		words = append(words, s.redisKey(ids[i], items[i].Key))
	}
	for i := range converted {
		var buf [64]byte
		words = append(words, string(converted[i].append(buf[:0])))
	}
	return named(s.redis.Run(ctx, sc, len(items), words...))
}

// named puts the name of the package before an error.
func named(reply any, err error) (any, error) {
	switch {
	case errors.Is(err, redisx.ErrBusy):
		err = fmt.Errorf("throttleredis: %w", throttle.ErrBusy)
	case err != nil:
		err = fmt.Errorf("throttleredis: %w", err)
	}
	return reply, err
}

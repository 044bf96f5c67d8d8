package throttleredis

import (
	"context"
	"crypto/sha1" //nolint:gosec // EVALSHA names scripts by it
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// A Store is a [throttle.Store] in Redis. It is safe for concurrent use, and
// has nothing to close: the client stays its maker's. Create one with [New]; the
// zero Store fails, so that Limiters follow their outage policy.
//
// Its [throttle.SlidingWindow] is exact up to a count of 50; above that it may
// refuse early by up to 2 % of the period. Its times are whole microseconds.
type Store struct {
	do      DoFunc
	sha     string
	prefix  string
	spread  bool
	denied  *denyCache // nil: refusals are not remembered
	breaker *breaker
}

// Errors of a [Store] that are not the client's own.
var (
	// ErrOpen is returned without asking while Redis is known to fail.
	ErrOpen = errors.New("throttleredis: Redis has failed and is not asked until it is tried again")
	// ErrItems is returned for items that cannot be charged by one call: two
	// of one policy and key, a rate that is not valid or, with Config.Spread,
	// keys that differ.
	ErrItems = errors.New("throttleredis: items that no call can charge together")

	errZeroStore = errors.New("throttleredis: the store was not made by New")
)

// New returns a Store that asks Redis through do, or every mistake in cfg, each
// a [rampart.ConfigError], joined. It sends nothing yet.
func New(do DoFunc, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(do); err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(script)) //nolint:gosec // see its import
	return &Store{
		do: do, sha: hex.EncodeToString(sum[:]), prefix: cfg.Prefix, spread: cfg.Spread,
		denied: newDenyCache(cfg.DenyFor), breaker: newBreaker(cfg.Logger),
	}, nil
}

// ReportsOutages tells a Limiter that the log already hears of outages.
func (*Store) ReportsOutages() {}

// batch is space for the items of one call.
type batch struct {
	ids   [8]bucketID
	items [8]item
}

// Take implements [throttle.Store].
func (s *Store) Take(ctx context.Context, items []throttle.Item, out []throttle.Result) (bool, error) {
	if s.do == nil {
		return false, errZeroStore
	}
	if len(items) == 0 {
		return true, nil
	}
	var space batch
	ids, converted := space.ids[:0], space.items[:0]
	mode := "take"
	for i := range items {
		x, ok := convert(&items[i])
		if !ok {
			return false, ErrItems
		}
		if x.never {
			mode = "look"
		}
		ids, converted = append(ids, idOf(items[i].Policy, items[i].Key)), append(converted, x)
	}
	if s.denied.refuses(ids, items, converted, out) {
		return false, nil
	}
	args, err := s.command(mode, ids, items, converted)
	if err != nil {
		return false, err
	}
	reply, err := s.run(ctx, args)
	if err != nil {
		return false, err
	}
	allowed, err := parseReply(reply, items, converted, out)
	if err == nil && !allowed {
		s.denied.remember(ids, items, out)
	}
	return allowed && mode == "take", err
}

// Give implements [throttle.Store].
func (s *Store) Give(ctx context.Context, items []throttle.Item) error {
	if s.do == nil {
		return errZeroStore
	}
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
	args, err := s.command("give", ids, given, converted)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, args)
	for _, id := range ids { // also after an error: it may have been given
		s.denied.forget(id)
	}
	return err
}

// Reset implements [throttle.Store]. With Config.Spread it is one step for each
// key.
func (s *Store) Reset(ctx context.Context, policy string, keys ...string) error {
	if s.do == nil {
		return errZeroStore
	}
	var errs []error
	del := []any{"DEL"}
	for i, key := range keys {
		id := idOf(policy, key)
		del = append(del, s.redisKey(id, key))
		if s.spread || i == len(keys)-1 {
			_, err := s.call(ctx, del)
			errs = append(errs, err)
			del = del[:1:1]
		}
	}
	for _, key := range keys {
		s.denied.forget(idOf(policy, key))
	}
	return errors.Join(errs...)
}

// command returns the call of the script.
func (s *Store) command(mode string, ids []bucketID, items []throttle.Item, converted []item) ([]any, error) {
	args := make([]any, 0, 4+2*len(items))
	args = append(args, "EVALSHA", s.sha, strconv.Itoa(len(items)))
	for i := range items {
		for j := range i {
			if ids[i] == ids[j] {
				return nil, ErrItems
			}
		}
		if s.spread && items[i].Key != items[0].Key {
			return nil, ErrItems
		}
		args = append(args, s.redisKey(ids[i], items[i].Key))
	}
	args = append(args, mode)
	for i := range converted {
		var buf [64]byte
		args = append(args, string(converted[i].append(buf[:0])))
	}
	return args, nil
}

// run calls the script. A server that does not know it, such as a fresh one or
// one that a failover made the master, is sent it.
func (s *Store) run(ctx context.Context, args []any) (any, error) {
	reply, err := s.call(ctx, args)
	if err != nil && strings.Contains(err.Error(), "NOSCRIPT") {
		args = append([]any{"EVAL", script}, args[2:]...) // a copy: the first may still be being read
		return s.call(ctx, args)
	}
	return reply, err
}

// maxWait bounds a call whose context has no nearer end.
const maxWait = time.Second

// answer is what do returned.
type answer struct {
	reply any
	err   error
}

// call asks Redis unless it is known to fail, and no longer than ctx or maxWait
// allow: clients retry, and some do not obey a context.
func (s *Store) call(ctx context.Context, args []any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	try, ok := s.breaker.enter()
	if !ok {
		return nil, ErrOpen
	}
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > maxWait {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxWait)
		defer cancel()
	}
	answers := make(chan answer, 1)
	go func() { answers <- s.ask(ctx, args) }()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	switch {
	case a.err == nil, strings.HasPrefix(a.err.Error(), "NOSCRIPT"): // that one is a good answer, too
		try.succeeded(ctx)
	case !errors.Is(ctx.Err(), context.Canceled): // who gives up says nothing about Redis
		try.failed(ctx, a.err)
	}
	return a.reply, a.err
}

// ask calls do. A panic in its goroutine would end the process.
func (s *Store) ask(ctx context.Context, args []any) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{err: fmt.Errorf("throttleredis: the client panicked: %v", p)}
		}
	}()
	reply, err := s.do(ctx, args...)
	return answer{reply, err}
}

package throttleredis

import (
	"context"
	"crypto/sha1" //nolint:gosec // EVALSHA names scripts by it
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
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
	take    program
	give    program
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
	take, give := scripts()
	return &Store{
		do: do, take: newProgram(take), give: newProgram(give), prefix: cfg.Prefix, spread: cfg.Spread,
		denied: newDenyCache(cfg.DenyFor), breaker: newBreaker(cfg.Logger),
	}, nil
}

// A program is a script and the name by which a server knows it.
type program struct{ text, sha string }

func newProgram(text string) program {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see its import
	return program{text, hex.EncodeToString(sum[:])}
}

// ReportsOutages tells a Limiter that the log already hears of outages.
func (*Store) ReportsOutages() {}

// batch is space for the items of one call.
type batch struct {
	ids   [8]bucketID
	items [8]item
	// generations of the denyCache's slots
	generations [8]uint64
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
	_, err := s.run(ctx, s.give, ids, given, converted)
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

// run calls a script. A server that does not know it, such as a fresh one or one
// that a failover made the master, is sent it.
func (s *Store) run(ctx context.Context, p program, ids []bucketID, items []throttle.Item, converted []item) (any, error) {
	args := make([]any, 0, 3+2*len(items))
	args = append(args, "EVALSHA", p.sha, strconv.Itoa(len(items)))
	for i := range items {
		if slices.Contains(ids[:i], ids[i]) || s.spread && items[i].Key != items[0].Key {
			return nil, ErrItems
		}
		args = append(args, s.redisKey(ids[i], items[i].Key))
	}
	for i := range converted {
		var buf [64]byte
		args = append(args, string(converted[i].append(buf[:0])))
	}
	reply, err := s.call(ctx, args)
	if unknownScript(err) {
		again := slices.Clone(args) // the client may still read the others
		again[0], again[1] = "EVAL", p.text
		return s.call(ctx, again)
	}
	return reply, err
}

func unknownScript(err error) bool { return err != nil && strings.Contains(err.Error(), "NOSCRIPT") }

// scriptFailed says whether the server ran a script and that failed for a reason
// that concerns its items alone. Clients may cut off the code ERR; Redis before 7
// puts the error of a command behind its own text.
func scriptFailed(err error) bool {
	if err == nil || !strings.Contains(err.Error(), "user_script") {
		return false
	}
	for _, code := range [...]string{"OOM ", "READONLY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "CLUSTERDOWN ", "LOADING ", "BUSY "} {
		if strings.Contains(err.Error(), code) {
			return false
		}
	}
	return true
}

// maxWait bounds a call whose context has no nearer end.
const maxWait = time.Second

// answer is what do returned.
type answer struct {
	reply any
	err   error
}

// call asks Redis unless it is known to fail.
func (s *Store) call(ctx context.Context, args []any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	try, ok := s.breaker.enter()
	if !ok {
		return nil, ErrOpen
	}
	a := s.within(ctx, args)
	switch {
	case a.err == nil, unknownScript(a.err): // an answer, too
		try.succeeded(ctx)
	case scriptFailed(a.err): // no other call has to fail for it
		try.succeeded(ctx)
		s.breaker.reporter.Report(ctx, rampart.SysBackendUnavailable, "redis script",
			slog.String("layer", "throttle"), slog.String("backend", "redis"), rampart.Text("error", a.err.Error()))
	case !errors.Is(ctx.Err(), context.Canceled): // who gives up says nothing about Redis
		try.failed(ctx, a.err)
	}
	return a.reply, a.err
}

// within asks, but waits no longer than ctx and maxWait allow: clients retry, and
// some do not obey a context.
func (s *Store) within(ctx context.Context, args []any) answer {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > maxWait {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxWait)
		defer cancel()
	}
	answers := make(chan answer, 1)
	go func() { answers <- s.ask(ctx, args) }()
	select {
	case a := <-answers:
		return a
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	}
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

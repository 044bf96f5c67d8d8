package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
)

const (
	batch      = 500         // changes that one question to the source is for
	patience   = time.Second // how long a poll waits for a response, or Poll if that is longer
	sweepEvery = time.Minute // how often what has expired is dropped
)

var (
	errZeroFeed = errors.New("feed: the feed was not made by New")
	errClosed   = errors.New("feed: closed")
	errNotThere = errors.New("the source does not show it")
)

// A Feed follows a [Source] and applies its changes in this process. It is a
// [rampart.Feed], and safe for concurrent use. Create one with [New]; the zero
// Feed refuses to publish and is out of date.
type Feed struct {
	source         Source
	poll, maxStale time.Duration
	reporter       *rampart.Reporter
	stop           context.CancelFunc
	done           chan struct{} // closed when the goroutine has ended

	turn    chan struct{} // holds one token: who has it may read the source
	at      Change        // up to where the source has been read; owned by the turn
	failed  bool          // so was the last poll; owned by the turn
	applied atomic.Int64  // the number of at, when it has been applied

	self    rampart.Instance // without Seq
	telling chan struct{}    // holds one token: who has it may call Report
	told    int64            // the applied that the others know; owned by the polling goroutine
	toldAt  time.Time        // owned by the polling goroutine
	live    atomic.Int64     // how many instances there were at the last Report

	good atomic.Pointer[time.Time] // when the last good poll began

	mu       sync.Mutex // never held while the source is asked
	swept    time.Time
	retained []held
	ids      map[string]bool // of retained
	lost     []held          // that the source does not have any more: to be published again
	newer    []held          // orders of a topic of those, to be repeated behind them

	restoring map[string]bool // the topics of lost
	sent      map[string]bool // ids that restore has published, and nobody has read yet
	subs      map[string][]func([]byte, time.Time)
}

// New returns a feed for cfg, or every mistake in cfg, each a
// [rampart.ConfigError], joined. It reads what is retained before it returns,
// until ctx ends, so that a fresh instance knows all. The feed then lives until
// [Feed.Close].
func New(ctx context.Context, cfg Config) (*Feed, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	f := &Feed{
		source:   cfg.Source,
		poll:     cfg.Poll,
		maxStale: cfg.MaxStale,
		reporter: rampart.NewReporter(cfg.Logger, "feed"),
		done:     make(chan struct{}),
		turn:     make(chan struct{}, 1),
		self:     newInstance(cfg.Version),
		telling:  make(chan struct{}, 1),
		ids:      map[string]bool{},
		subs:     map[string][]func([]byte, time.Time){},
	}
	f.turn <- struct{}{}
	if err := f.pull(ctx, 0); err != nil {
		return nil, fmt.Errorf("feed: first read: %w", err)
	}
	f.telling <- struct{}{}
	f.tellIfDue(ctx)
	// Once more: what came between the first read and the report, its publisher did not
	// know that this instance lives.
	if err := f.pull(ctx, 0); err != nil {
		return nil, fmt.Errorf("feed: first read: %w", err)
	}
	f.start(context.WithoutCancel(ctx))
	return f, nil
}

// start polls until Close.
func (f *Feed) start(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	go func() {
		defer close(f.done)
		tick := time.NewTicker(f.poll)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				f.leave(context.WithoutCancel(ctx))
				return
			case <-tick.C:
				if f.pull(ctx, max(patience, f.poll)) == nil { // else reported there; the next poll tries again
					f.restore(ctx)
					f.tellIfDue(ctx)
				}
			}
		}
	}()
}

// pull reads and applies what is new. Each question to the source may take that
// long, and 0 means as long as ctx allows.
func (f *Feed) pull(ctx context.Context, timeout time.Duration) error {
	select {
	case <-f.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.turn <- struct{}{} }()
	began := time.Now()
	for {
		after := f.at.Seq
		changes, err := f.ask(ctx, timeout, max(after-1, 0)) // the last one that was read comes once more
		if err == nil && after > 0 {
			if len(changes) > 0 && f.at.is(changes[0]) {
				changes = changes[1:]
			} else {
				changes, err = nil, f.resume(ctx, timeout)
			}
		}
		if err != nil {
			f.report(ctx, err)
			return err
		}
		if len(changes) == 0 {
			break
		}
		f.apply(ctx, changes)
		f.reached(changes[len(changes)-1])
	}
	f.report(ctx, nil)
	f.good.Store(&began)
	return nil
}

// reached notes up to where the source has been read and applied. The caller has
// the turn.
func (f *Feed) reached(c Change) {
	f.at = c
	f.applied.Store(c.Seq)
}

func (f *Feed) ask(ctx context.Context, timeout time.Duration, seq int64) ([]Change, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return f.source.Since(ctx, seq, batch)
}

// report tells the log when the source begins and ceases to fail. Who gives up
// waiting says nothing about the source. The caller has the turn.
func (f *Feed) report(ctx context.Context, err error) {
	switch failed := err != nil; {
	case failed == f.failed || failed && ctx.Err() != nil:
	case failed:
		f.failed = true
		f.reporter.Report(ctx, rampart.SysBackendUnavailable, "feed", slog.String("backend", "feed"), rampart.Text("error", err.Error()))
	default:
		f.failed = false
		f.reporter.Report(ctx, rampart.SysBackendRecovered, "feed", slog.String("backend", "feed"))
	}
}

// apply hands changes to their subscribers and keeps them for later ones.
func (f *Feed) apply(ctx context.Context, changes []Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Sub(f.swept) >= sweepEvery {
		f.swept = now
		f.retained = slices.DeleteFunc(f.retained, func(c held) bool {
			ended := !now.Before(c.Expires)
			if ended {
				delete(f.ids, c.id)
			}
			return ended
		})
	}
	unreadable := 0
	for _, c := range changes {
		h := open(c)
		if c.Topic == "" {
			unreadable++
			continue
		}
		if !now.Before(c.Expires) {
			continue
		}
		f.overtake(h)
		if f.ids[h.id] {
			continue
		}
		f.ids[h.id] = true
		f.retained = append(f.retained, h)
		for _, apply := range f.subs[c.Topic] {
			apply(slices.Clone(h.Data), c.Expires)
		}
	}
	if unreadable > 0 {
		f.reporter.Report(ctx, rampart.SysStateLost, "unreadable", slog.String("backend", "feed"), slog.String("reason", "unreadable"), slog.Int("changes", unreadable))
	}
}

// Subscribe implements [rampart.Feed]: apply is called with what is retained
// before Subscribe returns, then with what arrives; in order, one at a time. It
// may keep data, but must return soon and not call the feed.
func (f *Feed) Subscribe(topic string, apply func(data []byte, expires time.Time)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, c := range f.retained {
		if c.Topic == topic && now.Before(c.Expires) {
			apply(slices.Clone(c.Data), c.Expires)
		}
	}
	if f.subs != nil { // else the zero Feed, to which nothing will come
		f.subs[topic] = append(f.subs[topic], apply)
	}
}

// Publish implements [rampart.Feed]: when it returns nil, the change is durable
// and applied here. A topic has 1 to 255 bytes, data 64 KiB at most, and keep is
// a millisecond at least.
func (f *Feed) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	if err := f.usable(); err != nil {
		return err
	}
	if err := checkChange(topic, data, keep); err != nil {
		return err
	}
	id, began := newID(), time.Now()
	if err := f.source.Publish(ctx, topic, seal(id, first, data), keep); err != nil {
		return fmt.Errorf("feed: publish: %w", err)
	}
	err := f.pull(ctx, 0)
	if err == nil && !f.has(id) && time.Since(began) < keep { // else it is over already
		err = errNotThere
	}
	if err != nil {
		return fmt.Errorf("feed: published, but not yet applied here: %w", err)
	}
	return nil
}

// usable returns why the source must not be written to.
func (f *Feed) usable() error {
	if f == nil || f.source == nil {
		return errZeroFeed
	}
	select {
	case <-f.done:
		return errClosed
	default:
		return nil
	}
}

// Age implements [rampart.Feed]: 0 while the last good poll is not older than
// [Config].MaxStale, and else how long ago it began; so, in the end, after
// Close.
func (f *Feed) Age() time.Duration {
	if f == nil || f.source == nil {
		return math.MaxInt64
	}
	age := time.Since(*f.good.Load())
	if age <= f.maxStale {
		return 0
	}
	return age
}

// Close ends the polling, takes this instance off the list of [Feed.Instances], for
// which it waits a second at most, and waits for its goroutine. What has been applied
// stays. It may be called more than once; it leaves the source open.
func (f *Feed) Close() error {
	if f == nil || f.stop == nil {
		return nil
	}
	f.stop()
	<-f.done
	f.reporter.Flush()
	return nil
}

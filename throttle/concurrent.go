package throttle

import (
	"container/list"
	"context"
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
)

// A Concurrent bounds how many requests are in flight at once: of one key, and in
// all. It counts in this process only, and keeps nothing of a request that is over.
// It is safe for concurrent use. Create one with [NewConcurrent]. The zero Concurrent
// refuses every request.
type Concurrent struct {
	cfg      ConcurrentConfig
	reporter *rampart.Reporter
	seed     maphash.Seed
	room     sync.Pool // of *[]byte, for keys

	mu      sync.Mutex
	running int
	keys    map[uint64]int // by its hash: how many of a key run or wait
	queue   list.List      // of chan struct{}, one for each that waits; empty unless all places are taken
}

// NewConcurrent returns a Concurrent that behaves as cfg says, or every mistake in
// cfg, each a [*rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func NewConcurrent(cfg ConcurrentConfig) (*Concurrent, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Concurrent{cfg: cfg, reporter: rampart.NewReporter(cfg.Logger, "throttle"), seed: maphash.MakeSeed(), keys: make(map[uint64]int)}, nil
}

// Acquire takes a place for r, and waits for one as long as the Config lets it and the
// context of r holds. The error is nil if r may go on: then call release when it is
// over, which frees the place; a second call does nothing. Otherwise release is nil and
// the error is a [*DeniedError].
//
// It does not respond and reports no refusal, so it also serves outside a handler chain.
func (c *Concurrent) Acquire(r *http.Request) (release func(), err error) {
	t, denied := c.enter(r)
	if denied != nil {
		return nil, denied
	}
	return sync.OnceFunc(func() { c.leave(t) }), nil
}

// ticket says who has a place.
type ticket struct {
	key   uint64 // its hash
	keyed bool
}

// enter takes a place, or says why r gets none.
func (c *Concurrent) enter(r *http.Request) (ticket, *DeniedError) {
	if c.keys == nil {
		return ticket{}, &DeniedError{Reason: NotConfigured}
	}
	t, known := c.ticket(r)
	if !known {
		return t, c.denied(CallerUnknown, nil)
	}
	c.mu.Lock()
	if t.keyed {
		n := c.keys[t.key]
		if n >= c.cfg.PerKey {
			c.mu.Unlock()
			return t, c.denied(ConcurrencyExceeded, nil)
		}
		c.keys[t.key] = n + 1
	}
	if c.cfg.InAll == 0 || c.running < c.cfg.InAll {
		c.running++
		c.mu.Unlock()
		return t, nil
	}
	if c.queue.Len() >= c.cfg.Queue {
		c.forget(t)
		c.mu.Unlock()
		return t, c.denied(Overloaded, nil)
	}
	turn := make(chan struct{})
	place := c.queue.PushBack(turn)
	c.mu.Unlock()
	return t, c.await(r.Context(), t, turn, place)
}

// await waits for the turn of one that stands in the queue.
func (c *Concurrent) await(ctx context.Context, t ticket, turn chan struct{}, place *list.Element) *DeniedError {
	timer := time.NewTimer(c.cfg.Wait)
	defer timer.Stop()
	select {
	case <-turn:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-turn: // in the meantime: the place is taken already
		return nil
	default:
		c.queue.Remove(place)
		c.forget(t)
		return c.denied(Overloaded, ctx.Err())
	}
}

// leave gives the place to the one that has waited longest, if any.
func (c *Concurrent) leave(t ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(t)
	if first := c.queue.Front(); first != nil {
		close(c.queue.Remove(first).(chan struct{})) //nolint:forcetypeassert // it holds nothing else
		return
	}
	c.running--
}

// forget counts one less of its key. The caller holds the lock.
func (c *Concurrent) forget(t ticket) {
	switch n := c.keys[t.key]; {
	case !t.keyed:
	case n == 1:
		delete(c.keys, t.key)
	default:
		c.keys[t.key] = n - 1
	}
}

// ticket returns who r counts for, and whether that can be told.
func (c *Concurrent) ticket(r *http.Request) (t ticket, known bool) {
	if c.cfg.Key == nil {
		return t, true
	}
	room, ok := c.room.Get().(*[]byte)
	if !ok {
		room = new([]byte)
	}
	key, applies := c.cfg.Key((*room)[:0], r)
	known = len(key) > 0 || !applies
	if applies && known {
		t = ticket{maphash.Bytes(c.seed, key), true}
	}
	if cap(key) <= maxKeys {
		clear(key)
		*room = key
	}
	c.room.Put(room)
	return t, known
}

func (c *Concurrent) denied(reason rampart.Denial, err error) *DeniedError {
	return &DeniedError{Reason: reason, Policy: c.cfg.Name, Err: err}
}

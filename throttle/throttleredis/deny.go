package throttleredis

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// denySlots is how many refusals are remembered; a newer one takes the place of
// an older. They take about a megabyte.
const denySlots = 1 << 13

// A denyCache remembers refusals for a short while, so that a flood of refused
// requests ends here. It never refuses who would pass, except after a refund or
// reset that another process makes: of those that this one makes, the slots count
// the generations, and a refusal that began in an older one is not remembered, for
// it may have been decided before. A nil one remembers nothing.
type denyCache struct {
	keep    time.Duration
	started time.Time
	slots   [denySlots]refusal
}

// refusal is a cost that a bucket cannot take until a time. Times are since the
// cache was made.
type refusal struct {
	mu         sync.Mutex
	generation uint64 // of the slot
	id         bucketID
	rate       throttle.Rate
	algorithm  throttle.Algorithm
	cost       int
	until      time.Duration // how long this is believed
	retry      time.Duration // when the cost passes
	reset      time.Duration // when the bucket is full
	limit      int
	remaining  int
	at         int64
}

func newDenyCache(keep time.Duration) *denyCache {
	if keep < 0 {
		return nil
	}
	return &denyCache{keep: keep, started: time.Now()}
}

func (c *denyCache) slot(id bucketID) *refusal {
	return &c.slots[binary.LittleEndian.Uint64(id[:])%denySlots]
}

// refuses reports whether one of items is known to be refused, and fills out then.
// Of the others nothing is known. It notes the generations for remember.
func (c *denyCache) refuses(ids []bucketID, items []throttle.Item, converted []item, generations []uint64, out []throttle.Result) bool {
	if c == nil {
		return false
	}
	now := time.Since(c.started)
	refused := false
	for i := range items {
		out[i] = throttle.Result{Policy: items[i].Policy, Limit: converted[i].limit, Unknown: true}
		if !converted[i].charged {
			continue
		}
		r := c.slot(ids[i])
		r.mu.Lock()
		generations[i] = r.generation
		refused = r.refuses(ids[i], &items[i], now, &out[i]) || refused
		r.mu.Unlock()
	}
	return refused
}

// refuses reports whether it is known to be refused. The caller holds the lock.
func (r *refusal) refuses(id bucketID, it *throttle.Item, now time.Duration, res *throttle.Result) bool {
	if r.id != id || now >= r.until || it.Cost != r.cost || it.Rate != r.rate || it.Algorithm != r.algorithm {
		return false
	}
	*res = throttle.Result{
		Policy: it.Policy, Limit: r.limit, Remaining: r.remaining,
		RetryAfter: r.retry - now, ResetAfter: r.reset - now, At: r.at,
	}
	return true
}

// remember notes which of items were in the way, unless their slots have another
// generation by now.
func (c *denyCache) remember(ids []bucketID, items []throttle.Item, generations []uint64, out []throttle.Result) {
	if c == nil {
		return
	}
	now := time.Since(c.started)
	for i := range items {
		if it, res := &items[i], &out[i]; it.Cost > 0 && res.RetryAfter > 0 {
			r := c.slot(ids[i])
			r.mu.Lock()
			if r.generation == generations[i] {
				r.id, r.rate, r.algorithm, r.cost = ids[i], it.Rate, it.Algorithm, it.Cost
				r.until, r.retry, r.reset = now+min(res.RetryAfter, c.keep), now+res.RetryAfter, now+res.ResetAfter
				r.limit, r.remaining, r.at = res.Limit, res.Remaining, res.At
			}
			r.mu.Unlock()
		}
	}
}

// forget drops what is known of id.
func (c *denyCache) forget(id bucketID) {
	if c == nil {
		return
	}
	r := c.slot(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.generation++
	if r.id == id {
		r.until = 0
	}
}

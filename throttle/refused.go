package throttle

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxRefusedKeys is how many keys a span of a policy remembers.
	maxRefusedKeys = 64
	// maxRefusedKey is how many bytes of a key are remembered: a client chooses how
	// long a header is.
	maxRefusedKey = 128
	// refusedSpan is half of the time that Refused looks back.
	refusedSpan = 5 * time.Minute
)

// A RefusedKey is a key that a policy refuses requests of.
type RefusedKey struct {
	// Key is as the policy's [KeyFunc] made it, or its first 128 bytes: an address
	// reads as one. What cannot be printed is escaped as in a Go string, and so are
	// quotes and backslashes. A key of [Joint] has the length of each part before it.
	Key string

	Count int       // how many requests were refused
	Last  time.Time // when the last of them was
}

// Refused returns the keys of a policy of which the most requests were refused of
// late on this instance, the most first, at most n: who is being limited now. It
// looks back five to ten minutes. Refusals of [Limiter.Check], [Limiter.Take] and
// [Limiter.Reserve] count too, and what a shadow would have refused. A request that
// several policies refuse counts for the one with the longest wait. One that is
// refused for another reason than its count does not count.
//
// It remembers 64 keys of a policy in each five minutes. Under a flood of more, those
// with more than one in 64 of the refusals are among them, and counts may be too low,
// never too high. A policy that does not exist has none; [Limiter.Reconfigure] keeps
// those of a name that stays.
//
// A key may be personal, or a secret that came in a header: show it to operators
// only. It is safe for concurrent use, and meant for people: it sorts.
func (l *Limiter) Refused(policy string, n int) []RefusedKey {
	p := l.current.Load().named(policy)
	if p == nil {
		return nil
	}
	all := p.refused.list(time.Now())
	return all[:min(max(n, 0), len(all))]
}

// refused counts the refusals of a policy, in the span that runs and the one before.
type refused struct {
	mu    sync.Mutex
	seed  maphash.Seed
	began time.Time // of the span that runs
	now   int       // which of spans that is
	spans [2]refusals
}

func newRefused() *refused { return &refused{seed: maphash.MakeSeed(), began: time.Now()} }

// count counts a refusal of it. It allocates nothing for a key that is known.
func (r *refused) count(it *Item) {
	var space [maxRefusedKey]byte
	n := copy(space[:], it.Key)
	n += copy(space[n:], it.key) // it has one of the two
	key, now := space[:n], time.Now()
	hash := maphash.Bytes(r.seed, key)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	r.spans[r.now].count(hash, key, now)
}

// advance forgets what is too old. The caller holds the lock.
func (r *refused) advance(now time.Time) {
	passed := now.Sub(r.began)
	if passed < refusedSpan {
		return
	}
	r.began = now.Add(-(passed % refusedSpan))
	r.now = 1 - r.now
	r.spans[r.now] = refusals{}
	if passed >= 2*refusedSpan {
		r.spans[1-r.now] = refusals{}
	}
}

// list returns all keys, those with the most refusals first.
func (r *refused) list(now time.Time) []RefusedKey {
	r.mu.Lock()
	r.advance(now)
	found := map[string]RefusedKey{}
	for i := range r.spans {
		s := &r.spans[i]
		for j := range s.used {
			e := &s.entries[j]
			k := found[string(e.key)]
			k.Count += s.counts[j] - e.unsure
			if e.last.After(k.Last) {
				k.Last = e.last
			}
			found[string(e.key)] = k
		}
	}
	r.mu.Unlock()
	all := make([]RefusedKey, 0, len(found))
	for key, k := range found {
		quoted := strconv.Quote(key)
		k.Key = quoted[1 : len(quoted)-1]
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b RefusedKey) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Last.Compare(a.Last), strings.Compare(a.Key, b.Key))
	})
	return all
}

// refusals are those of one span, by the Space-Saving algorithm (Metwally et al.,
// 2005): a new key takes the place and the count of the one with the least, so that
// what came often is never driven out by what comes once.
type refusals struct {
	used    int
	hashes  [maxRefusedKeys]uint64
	counts  [maxRefusedKeys]int
	entries [maxRefusedKeys]refusal
}

type refusal struct {
	key    []byte
	unsure int // how much of the count may be of others that had the place before
	last   time.Time
}

func (s *refusals) count(hash uint64, key []byte, now time.Time) {
	i := slices.Index(s.hashes[:s.used], hash)
	if i < 0 {
		if s.used < maxRefusedKeys {
			i = s.used
			s.used++
		} else {
			i = slices.Index(s.counts[:], slices.Min(s.counts[:]))
		}
		e := &s.entries[i]
		s.hashes[i], e.unsure = hash, s.counts[i]
		e.key = append(e.key[:0], key...)
	}
	s.counts[i]++
	s.entries[i].last = now
}

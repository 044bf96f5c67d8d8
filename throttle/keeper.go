package throttle

import (
	"maps"
	"math/bits"
	"sync"
)

// A slot is the state of one bucket of an algorithm. All zero is full.
type slot[S any] interface {
	*S
	used(now moment) float32                     // share of the limit: 0 or less: it is free, the less the longer; above limited: it must stay
	take(now moment, it *Item, res *Result) bool // a refusal changes nothing but what used returns
	give(now moment, it *Item)
}

// limited is the share above which a caller is being limited: what it asked for
// would be refused. It is a little more than 1, at which that just passes, as a
// float32 rounds.
const limited = 1 + 1.0/(1<<19)

// A keeper keeps all buckets of one algorithm. The caller of its methods holds
// the lock of the shard.
type keeper interface {
	charge(at place, now moment, it *Item, res *Result) bool
	look(at place, now moment, it *Item, res *Result) bool
	give(at place, now moment, it *Item)
	reset(at place)
	fill(shard int, now moment) (used, slots int)
}

// keeperOf is the keeper of an algorithm whose slots are P. Its tables are made
// when they are first charged.
type keeperOf[S any, P slot[S]] struct {
	tables []table[S, P] // one for each shard
	slots  int           // of a shard, at least

	mu       sync.Mutex // taken last
	overflow map[overflowKey]P
	last     moment // when overflow was charged
	scratch  S      // for looking at overflow
}

// overflowKey names the shared bucket of the newcomers who find no room.
type overflowKey struct {
	policy string
	rate   Rate
}

// maxOverflow bounds the overflow buckets: one for each policy and rate, so
// this is far off unless rates are made up by the request.
const maxOverflow = 1024

func newKeeper[S any, P slot[S]](shards, slots int) keeper {
	return &keeperOf[S, P]{tables: make([]table[S, P], shards), slots: slots}
}

// charge charges it and fills res.
func (k *keeperOf[S, P]) charge(at place, now moment, it *Item, res *Result) bool {
	t, tag := &k.tables[at.shard], tagOf(at.hash, it.Rate)
	*res = Result{Policy: it.Policy}
	s := t.find(at.hash, tag)
	if s == nil {
		if it.Cost == 0 || it.Cost > it.Limit() { // nothing to keep
			t.scratch = *new(S)
			return P(&t.scratch).take(now, it, res)
		}
		if t.rows == nil {
			t.rows = make([]row[S], (k.slots+rowSize-1)/rowSize)
		}
		if s = t.insert(at.hash, tag, now); s == nil {
			return k.takeOverflow(now, it, res, true)
		}
	}
	return s.take(now, it, res)
}

// look does as charge does, but keeps only that it.Cost was refused.
func (k *keeperOf[S, P]) look(at place, now moment, it *Item, res *Result) bool {
	t := &k.tables[at.shard]
	*res = Result{Policy: it.Policy}
	t.scratch = *new(S)
	s := t.find(at.hash, tagOf(at.hash, it.Rate))
	if s != nil {
		t.scratch = *s
	} else if t.rows != nil && t.candidate(at.hash, now).row == nil {
		return k.takeOverflow(now, it, res, false)
	}
	ok := P(&t.scratch).take(now, it, res)
	if !ok && s != nil {
		*s = t.scratch
	}
	return ok
}

func (k *keeperOf[S, P]) give(at place, now moment, it *Item) {
	if s := k.tables[at.shard].find(at.hash, tagOf(at.hash, it.Rate)); s != nil {
		s.give(now, it)
	}
}

func (k *keeperOf[S, P]) reset(at place) { k.tables[at.shard].reset(at.hash) }

// takeOverflow charges the shared bucket for it, or only looks.
func (k *keeperOf[S, P]) takeOverflow(now moment, it *Item, res *Result, keep bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = max(k.last, now) // shards read the clock on their own
	now = k.last
	res.Overflow = true
	name := overflowKey{it.Policy, it.Rate}
	s := k.overflow[name]
	if s == nil {
		if len(k.overflow) >= maxOverflow {
			maps.DeleteFunc(k.overflow, func(_ overflowKey, s P) bool { return s.used(now) <= 0 })
		}
		if len(k.overflow) >= maxOverflow {
			res.Limit, res.RetryAfter, res.ResetAfter = it.Limit(), it.Rate.Period, it.Rate.Period
			return it.Cost == 0
		}
		s = new(S)
		if keep {
			if k.overflow == nil {
				k.overflow = make(map[overflowKey]P)
			}
			k.overflow[name] = s
		}
	}
	if !keep {
		k.scratch = *s
		s = &k.scratch
	}
	return s.take(now, it, res)
}

// A tag tells a bucket from others in its rows: 40 bits of the key's hash and
// 24 of the rate's. Which row it is tells as much again about the key.
const tagKeyBits = 40

func tagOf(hash uint64, r Rate) uint64 {
	f := uint64(r.Count)*0x9e3779b97f4a7c15 ^ //nolint:gosec // any bits do
		bits.RotateLeft64(uint64(r.Period)*0xc2b2ae3d27d4eb4f, 23) ^ //nolint:gosec // any bits do
		uint64(r.Burst)*0x165667b19e3779f9 //nolint:gosec // any bits do
	f ^= f >> 29
	return hash&(1<<tagKeyBits-1) | f*0xbf58476d1ce4e5b9>>tagKeyBits<<tagKeyBits
}

func sameKey(tag, hash uint64) bool { return (tag^hash)&(1<<tagKeyBits-1) == 0 }

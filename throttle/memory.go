package throttle

import (
	"context"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// A moment is a reading of a store's clock in nanoseconds.
type moment = int64

// epoch is the reading when the store is made. It is longer than any period
// and refill time, so that a slot of zeros is always past, and leaves 255
// years before the numbers end.
const epoch moment = 1 << 60

// maxShards bounds how many requests a Memory can decide at once.
const (
	shardBits   = 6
	maxShards   = 1 << shardBits
	defaultKeys = 65536
)

// A Memory is a [Store] in this process: a fixed table without a goroutine,
// with nothing to close. A key costs no allocation and no pointer for the
// garbage collector to follow. Hashes are keyed afresh in each Memory, so that
// nobody can choose keys that collide. Its clock is the monotonic one: a change
// of the wall clock moves no limit. Its methods never return an error.
//
// When both rows that a new key may live in are full, the key that has used the
// least share of its limit (of a [TokenBucket]: of what it can use until it is
// limited) is forgotten: it starts afresh when it comes again. A key that is being limited never is, from when something that it asks for is
// or would be refused until that passes. When all the keys there are, the
// newcomer pays a bucket that its policy has for all of these
// ([Result].Overflow), until one of them may go again.
//
// So no key passes more than its limit while there is room for all, and none
// that is being limited ever does. One that has used a share of its limit can
// be made to start afresh only by others that use as large a share of theirs,
// in every other slot of the two rows, and again for each time.
//
// Create one with [NewMemory]. The zero Memory refuses everything.
type Memory struct {
	seed    maphash.Seed
	started time.Time
	shards  []shard
	keepers [len(algorithms)]keeper
}

// shard is the lock of a part of all tables.
type shard struct {
	sync.Mutex
	_ [56]byte // keep neighbours out of this cache line
}

// NewMemory returns a Memory with room for maxKeys keys (one for each
// policy and caller) of each algorithm; 0 or less means 65 536. It takes their
// memory, which each [Algorithm] tells, when that is first charged.
func NewMemory(maxKeys int) *Memory {
	if maxKeys <= 0 {
		maxKeys = defaultKeys
	}
	shards := 1
	if maxKeys >= maxShards*256 { // few rows to a shard would fill unevenly
		shards = maxShards
	}
	keys := (maxKeys + shards - 1) / shards
	m := &Memory{seed: maphash.MakeSeed(), started: time.Now(), shards: make([]shard, shards)}
	// With so many slots to spare, the choice between two rows drops hardly a
	// key that should fit: none of a million buckets, 0.2 % of the windows.
	for i, a := range algorithms {
		m.keepers[i] = a.keeper(shards, keys+keys/a.spare)
	}
	return m
}

func (m *Memory) now() moment { return epoch + moment(time.Since(m.started)) }

// keeper returns what keeps the buckets of an algorithm; an unknown one is
// taken for the zero one.
func (m *Memory) keeper(a Algorithm) keeper {
	if int(a) >= len(m.keepers) {
		a = 0
	}
	return m.keepers[a]
}

// place says where a key lives: in a shard, and there in rows that follow from
// the hash.
type place struct {
	shard int
	hash  uint64
}

func (m *Memory) place(it *Item) place {
	h := it.policyHash
	if h == 0 {
		h = m.policyHash(it.Policy)
	}
	if it.key != nil {
		h ^= maphash.Bytes(m.seed, it.key)
	} else {
		h ^= maphash.String(m.seed, it.Key)
	}
	return place{int(h >> (64 - shardBits) & uint64(len(m.shards)-1)), h} //nolint:gosec // both are small
}

// policyHash is multiplied so that the names (a, b) and (b, a) are kept apart.
func (m *Memory) policyHash(name string) uint64 {
	return maphash.String(m.seed, name) * 0xc2b2ae3d27d4eb4f
}

// Take implements [Store].
func (m *Memory) Take(_ context.Context, items []Item, out []Result) (bool, error) {
	if len(m.shards) == 0 {
		for i := range items {
			out[i] = Result{Policy: items[i].Policy, Limit: items[i].Rate.Count, RetryAfter: Never}
		}
		return false, nil
	}
	if len(items) == 1 {
		it := &items[0]
		at := m.place(it)
		k := m.keeper(it.Algorithm)
		m.shards[at.shard].Lock()
		ok := k.charge(at, m.now(), it, &out[0]) // the clock is read under the lock: charges are in the order of their times
		m.shards[at.shard].Unlock()
		return ok, nil
	}
	return m.takeAll(items, out), nil
}

// takeAll charges several items under the locks of all their shards.
func (m *Memory) takeAll(items []Item, out []Result) bool {
	var few [8]place
	places := m.places(few[:0], items)
	defer m.lock(places).unlock()
	now := m.now()
	allowed := true
	for i := range items {
		if !m.keeper(items[i].Algorithm).look(places[i], now, &items[i], &out[i]) {
			allowed = false
		}
	}
	for i := 0; allowed && i < len(items); i++ {
		if m.keeper(items[i].Algorithm).charge(places[i], now, &items[i], &out[i]) {
			continue
		}
		// It passed a moment ago: two items name one bucket, or two newcomers
		// one last slot.
		allowed = false
		for j := range i {
			undo := items[j]
			undo.At = out[j].At
			m.keeper(undo.Algorithm).give(places[j], now, &undo)
		}
	}
	for i := range items {
		if !allowed && (out[i].RetryAfter == 0 || items[i].Cost == 0) { // show what is left, not what would be
			peek := items[i]
			peek.Cost = 0
			m.keeper(peek.Algorithm).look(places[i], now, &peek, &out[i])
		}
	}
	return allowed
}

// Give implements [Store].
func (m *Memory) Give(_ context.Context, items []Item) error {
	if len(m.shards) == 0 {
		return nil
	}
	var few [8]place
	places := m.places(few[:0], items)
	defer m.lock(places).unlock()
	now := m.now()
	for i := range items {
		m.keeper(items[i].Algorithm).give(places[i], now, &items[i])
	}
	return nil
}

// Reset implements [Store].
func (m *Memory) Reset(_ context.Context, policy string, keys ...string) error {
	if len(m.shards) == 0 {
		return nil
	}
	places := make([]place, len(keys))
	for i, key := range keys {
		places[i] = m.place(&Item{Policy: policy, Key: key})
	}
	defer m.lock(places).unlock()
	for _, at := range places {
		for _, k := range m.keepers {
			k.reset(at)
		}
	}
	return nil
}

// places appends the places of items to dst, which the caller has on its stack.
func (m *Memory) places(dst []place, items []Item) []place {
	for i := range items {
		dst = append(dst, m.place(&items[i]))
	}
	return dst
}

// held is a set of locked shards.
type held struct {
	m    *Memory
	bits uint64
}

// lock takes the locks of all places in the order of the shards, so that no two
// calls wait for each other.
func (m *Memory) lock(places []place) held {
	h := held{m: m}
	for _, at := range places {
		h.bits |= 1 << at.shard
	}
	for b := h.bits; b != 0; b &= b - 1 {
		m.shards[bits.TrailingZeros64(b)].Lock()
	}
	return h
}

func (h held) unlock() {
	for b := h.bits; b != 0; b &= b - 1 {
		h.m.shards[bits.TrailingZeros64(b)].Unlock()
	}
}

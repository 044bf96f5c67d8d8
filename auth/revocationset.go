package auth

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

const (
	setShards     = 16
	setSweepEvery = time.Minute
	setSweepFull  = time.Second // where there is no room
)

// An expiringSet maps keys to floors until they expire. Reading it takes only
// one of its many locks, shared.
type expiringSet struct {
	max    int
	seed   maphash.Seed
	size   atomic.Int64 // entries of all shards
	shards [setShards]setShard

	writing sync.Mutex // one writer at a time keeps to max
	swept   time.Time
}

type setShard struct {
	mu      sync.RWMutex
	entries map[string]setEntry
}

type setEntry struct {
	floor   int64
	expires time.Time
}

func newExpiringSet(limit int) *expiringSet {
	s := &expiringSet{max: limit, seed: maphash.MakeSeed()}
	s.clear()
	return s
}

func (s *expiringSet) shard(key string) *setShard {
	return &s.shards[maphash.String(s.seed, key)%setShards]
}

// empty reports whether there is nothing to be found.
func (s *expiringSet) empty() bool { return s.size.Load() == 0 }

// get returns the floor of key.
func (s *expiringSet) get(key string) (int64, bool) {
	if s.empty() {
		return 0, false
	}
	sh := s.shard(key)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	e, ok := sh.entries[key]
	return e.floor, ok
}

// raise sets the floor of key, if it is higher than the one it has, until then.
// It reports whether there was room.
func (s *expiringSet) raise(key string, floor int64, expires time.Time) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.sweep(time.Now())
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, known := sh.entries[key]
	if !known && s.size.Load() >= int64(s.max) {
		return false
	}
	if !known || floor > e.floor {
		e.floor = floor
	}
	if expires.After(e.expires) {
		e.expires = expires
	}
	if !known {
		s.size.Add(1)
	}
	sh.entries[key] = e
	return true
}

// sweep drops what has expired, now and then. The caller holds s.writing.
func (s *expiringSet) sweep(now time.Time) {
	every := setSweepEvery
	if s.size.Load() >= int64(s.max) {
		every = setSweepFull
	}
	if now.Sub(s.swept) < every {
		return
	}
	s.swept = now
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		before := len(sh.entries)
		maps.DeleteFunc(sh.entries, func(_ string, e setEntry) bool { return !now.Before(e.expires) })
		s.size.Add(int64(len(sh.entries) - before))
		sh.mu.Unlock()
	}
}

// clear drops everything.
func (s *expiringSet) clear() {
	s.writing.Lock()
	defer s.writing.Unlock()
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.entries = map[string]setEntry{}
		sh.mu.Unlock()
	}
	s.size.Store(0)
}

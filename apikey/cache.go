package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// A cache keeps what the store said of keys that were presented with their
// right secret, good or not (revoked, expired). Nothing else gets in, so
// guesses neither fill it nor learn from it: they cost a read each time.
type cache struct {
	ttl    time.Duration
	shards [cacheShards]cacheShard
}

const (
	cacheShards    = 16
	cacheShardKeys = 1024 // 16 384 keys in all
)

type cacheShard struct {
	mu      sync.RWMutex
	version uint64 // counts invalidations
	entries map[string]*cached
}

// cached is a key as it was read. Only used changes.
type cached struct {
	caller *Caller
	digest [sha256.Size]byte // of its text
	until  time.Time
	used   atomic.Int64 // when its use was last noted, in microseconds
}

func newCached(k Key) *cached {
	e := &cached{caller: newCaller(&k)}
	e.used.Store(k.LastUsed.UnixMicro())
	return e
}

// newCache returns nil, which holds nothing, for no time to live.
func newCache(ttl time.Duration) *cache {
	if ttl == 0 {
		return nil
	}
	c := &cache{ttl: ttl}
	for i := range c.shards {
		c.shards[i].entries = map[string]*cached{}
	}
	return c
}

func (c *cache) shard(id string) *cacheShard { return &c.shards[id[len(id)-1]%cacheShards] }

// of returns the entry of a key; nil if there is none.
func (c *cache) of(id string) *cached {
	if c == nil {
		return nil
	}
	sh := c.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.entries[id]
}

// holds reports whether text is the key's, and what was read of it still counts.
func (e *cached) holds(text string, now time.Time) bool {
	if !now.Before(e.until) {
		return false
	}
	digest := sha256.Sum256(view(text))
	return subtle.ConstantTimeCompare(digest[:], e.digest[:]) == 1
}

// version returns what put asks for. Call it before reading the store.
func (c *cache) version(id string) uint64 {
	if c == nil {
		return 0
	}
	sh := c.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.version
}

// put keeps what was read, unless a key was invalidated since version: the
// read may be older than the revocation.
func (c *cache) put(id, text string, e *cached, version uint64, now time.Time) {
	if c == nil {
		return
	}
	e.digest, e.until = sha256.Sum256(view(text)), now.Add(c.ttl)
	sh := c.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.version != version {
		return
	}
	if _, known := sh.entries[id]; !known && len(sh.entries) >= cacheShardKeys {
		for other := range sh.entries { // any one: iteration begins anywhere
			delete(sh.entries, other)
			break
		}
	}
	sh.entries[id] = e
}

// drop forgets keys, and what is being read of them now.
func (c *cache) drop(ids ...string) {
	if c == nil {
		return
	}
	for _, id := range ids {
		if id == "" {
			continue
		}
		sh := c.shard(id)
		sh.mu.Lock()
		sh.version++
		delete(sh.entries, id)
		sh.mu.Unlock()
	}
}

// dropOwner forgets the keys of an owner.
func (c *cache) dropOwner(owner string) {
	c.dropAll(func(_ string, e *cached) bool { return e.caller.key.Owner == owner })
}

// clear forgets every key.
func (c *cache) clear() { c.dropAll(func(string, *cached) bool { return true }) }

func (c *cache) dropAll(of func(id string, e *cached) bool) {
	if c == nil {
		return
	}
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		sh.version++
		maps.DeleteFunc(sh.entries, of)
		sh.mu.Unlock()
	}
}

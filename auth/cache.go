package auth

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"
)

// cacheShards spreads the lock.
const cacheShards = 16

// A tokenCache keeps verified tokens, so that the signature of a token is
// checked once and not with each request. Only good tokens get in: a flood of
// bad ones evicts nothing. What time or a revocation can change is checked on
// each hit, and so is that the key is still there.
//
// It is keyed by a keyed hash, so that nobody can aim at one bucket, and a hit
// is believed only if the whole text is equal.
type tokenCache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

// A cacheShard has two generations: what is used moves to the young one, and
// when that is full the old one goes. That is close to dropping what was used
// longest ago, at the cost of a map.
type cacheShard struct {
	mu         sync.Mutex
	limit      int // of each generation
	young, old map[uint64]cached
}

type cached struct {
	raw   string
	token *Token
}

// newTokenCache returns a cache for size tokens, or nil for none.
func newTokenCache(size int) *tokenCache {
	if size < 0 {
		return nil
	}
	c := &tokenCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].limit = max(1, size/(2*cacheShards))
		c.shards[i].young = map[uint64]cached{}
	}
	return c
}

func (c *tokenCache) get(raw string) *Token {
	if c == nil {
		return nil
	}
	h := maphash.String(c.seed, raw)
	sh := &c.shards[h%cacheShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	hit, ok := sh.young[h]
	if !ok {
		if hit, ok = sh.old[h]; ok && hit.raw == raw {
			sh.add(h, hit)
		}
	}
	if !ok || hit.raw != raw {
		return nil
	}
	return hit.token
}

// put keeps t, if it is of a kind that is seen with many requests.
func (c *tokenCache) put(raw string, t *Token) {
	if c == nil || t.kind != Access && t.kind != Sliding {
		return
	}
	h := maphash.String(c.seed, raw)
	sh := &c.shards[h%cacheShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.add(h, cached{strings.Clone(raw), t}) // not the whole header that raw is a part of
}

// add puts an entry among the young ones. The caller holds sh.mu.
func (sh *cacheShard) add(h uint64, e cached) {
	if len(sh.young) >= sh.limit {
		sh.old, sh.young = sh.young, make(map[uint64]cached, sh.limit)
	}
	sh.young[h] = e
}

// known returns the cached token of raw, if its key is still one. It may be
// another key with the same id: then the signature is checked again.
func (v *Verifier) known(ctx context.Context, raw string) (*Token, bool) {
	t := v.cache.get(raw)
	if t == nil {
		return nil, false
	}
	key, err := v.keys.Key(ctx, t.keyID, t.key.Algorithm())
	return t, err == nil && key == t.key
}

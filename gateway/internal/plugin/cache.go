package plugin

import (
	"container/list"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds of the cache that all uses of proxy-cache share: of all in it, of one
// body, and of the variants of one address.
const (
	maxCache    = 128 << 20
	maxBody     = 1 << 20
	maxVariants = 16
)

// A Cache holds responses in memory; the one that was not used for longest goes
// first. It is safe for concurrent use.
type Cache struct {
	mu    sync.Mutex
	byKey map[string][]*list.Element // the variants of a key
	at    map[string]map[string]bool // the keys of an address
	used  *list.List                 // of *Cached; the last used first
	bytes int
}

// A Cached is a response. It is not changed once it is in a Cache.
type Cached struct {
	Key    string
	Plugin string // id
	Status int
	Header http.Header
	Body   []byte
	Stored time.Time
	TTL    time.Duration // for which it is fresh
	Keep   time.Duration // for which it is kept

	address    string   // whatever the caller and the query
	vary       []string // header names of the request, with their values
	revalidate bool     // never served stale
}

// NewCache returns an empty Cache.
func NewCache() *Cache {
	return &Cache{byKey: map[string][]*list.Element{}, at: map[string]map[string]bool{}, used: list.New()}
}

// size is what c takes, roughly.
func (c *Cached) size() int {
	n := 512 + 2*len(c.Key) + len(c.address) + len(c.Body)
	for name, values := range c.Header {
		n += len(name) + 64
		for _, v := range values {
			n += len(v) + 16
		}
	}
	for _, v := range c.vary {
		n += len(v) + 16
	}
	return n
}

// fits reports whether c is for a request with that header (RFC 9111 section 4.1).
func (c *Cached) fits(h http.Header) bool {
	for i := 0; i < len(c.vary); i += 2 {
		if joined(h, c.vary[i]) != c.vary[i+1] {
			return false
		}
	}
	return true
}

// find returns the response for a request; nil if there is none.
func (s *Cache) find(key string, h http.Header, now time.Time) *Cached {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Clone(s.byKey[key]) {
		c := e.Value.(*Cached) //nolint:forcetypeassert // the list's
		switch {
		case now.Sub(c.Stored) >= c.Keep:
			s.drop(e)
		case c.fits(h):
			s.used.MoveToFront(e)
			return c
		}
	}
	return nil
}

// store puts c in the place of what is for the same requests.
func (s *Cache) store(c *Cached) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Clone(s.byKey[c.Key]) {
		if slices.Equal(e.Value.(*Cached).vary, c.vary) { //nolint:forcetypeassert // the list's
			s.drop(e)
		}
	}
	if same := s.byKey[c.Key]; len(same) >= maxVariants {
		s.drop(same[0])
	}
	s.byKey[c.Key] = append(s.byKey[c.Key], s.used.PushFront(c))
	if s.at[c.address] == nil {
		s.at[c.address] = map[string]bool{}
	}
	s.at[c.address][c.Key] = true
	for s.bytes += c.size(); s.bytes > maxCache; {
		s.drop(s.used.Back())
	}
}

func (s *Cache) drop(e *list.Element) {
	c := s.used.Remove(e).(*Cached) //nolint:forcetypeassert // the list's
	s.bytes -= c.size()
	same := slices.DeleteFunc(s.byKey[c.Key], func(o *list.Element) bool { return o == e })
	if s.byKey[c.Key] = same; len(same) == 0 {
		delete(s.byKey, c.Key)
		if delete(s.at[c.address], c.Key); len(s.at[c.address]) == 0 {
			delete(s.at, c.address)
		}
	}
}

// Get returns a response with that key; nil if there is none.
func (s *Cache) Get(key string) *Cached {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.byKey[key]; len(all) > 0 {
		return all[len(all)-1].Value.(*Cached) //nolint:forcetypeassert // the list's
	}
	return nil
}

// Purge removes the responses with that key; false if there is none.
func (s *Cache) Purge(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.byKey[key])
	for _, e := range all {
		s.drop(e)
	}
	return len(all) > 0
}

// invalidate removes what a request that has changed something at an address may
// have made wrong (RFC 9111 section 4.4).
func (s *Cache) invalidate(address string) {
	s.mu.Lock()
	keys := slices.Collect(maps.Keys(s.at[address]))
	s.mu.Unlock()
	for _, key := range keys {
		s.Purge(key)
	}
}

// Clear removes everything.
func (s *Cache) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byKey)
	clear(s.at)
	s.used.Init()
	s.bytes = 0
}

package memo

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A Map is a map that is read without a lock; to add to it copies it. The zero Map is
// empty.
type Map[K comparable, V any] struct {
	values atomic.Pointer[map[K]V]
	adding sync.Mutex
}

// Get returns the value of key.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	if values := m.values.Load(); values != nil {
		value, ok = (*values)[key]
	}
	return value, ok
}

// Add keeps a value for key unless there is one, or there are as many as most already.
// It returns the one that is kept, else value.
func (m *Map[K, V]) Add(key K, value V, most int) (kept V, ok bool) {
	m.adding.Lock()
	defer m.adding.Unlock()
	if kept, ok = m.Get(key); ok {
		return kept, true
	}
	next := map[K]V{}
	if values := m.values.Load(); values != nil {
		next = maps.Clone(*values)
	}
	if len(next) >= most {
		return value, false
	}
	next[key] = value
	m.values.Store(&next)
	return value, true
}

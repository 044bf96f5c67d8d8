package apikey

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// A MemoryStore is a [Store] in memory, for tests and for single processes
// that make their keys at start. Create one with [NewMemoryStore]; the zero
// value is ready to use, too.
type MemoryStore struct {
	mu   sync.RWMutex
	rows map[string]row    // by id
	ids  map[string]string // id by hash
}

type row struct {
	key  Key // never changed in place
	hash []byte
}

// NewMemoryStore returns an empty MemoryStore.
func NewMemoryStore() *MemoryStore { return new(MemoryStore) }

// Insert implements [Store].
func (s *MemoryStore) Insert(_ context.Context, k Key, hash []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.insert(k, hash)
}

func (s *MemoryStore) insert(k Key, hash []byte) error {
	if s.taken(k.ID, hash) {
		return ErrConflict
	}
	if s.rows == nil {
		s.rows, s.ids = map[string]row{}, map[string]string{}
	}
	s.rows[k.ID] = row{clone(k), bytes.Clone(hash)}
	s.ids[string(hash)] = k.ID
	return nil
}

func (s *MemoryStore) taken(id string, hash []byte) bool {
	_, idTaken := s.rows[id]
	_, hashTaken := s.ids[string(hash)]
	return idTaken || hashTaken
}

// Lookup implements [Store].
func (s *MemoryStore) Lookup(_ context.Context, id string) (Key, []byte, error) {
	s.mu.RLock()
	r, ok := s.rows[id]
	s.mu.RUnlock()
	if !ok {
		return Key{}, nil, ErrNotFound
	}
	return clone(r.key), bytes.Clone(r.hash), nil
}

// LookupHash implements [Store].
func (s *MemoryStore) LookupHash(_ context.Context, hash []byte) (Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, ok := s.ids[string(hash)]
	if !ok {
		return Key{}, ErrNotFound
	}
	return clone(s.rows[id].key), nil
}

// UpdateHash implements [Store].
func (s *MemoryStore) UpdateHash(_ context.Context, id string, old, hash []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[id]
	if !ok {
		return ErrNotFound
	}
	if _, taken := s.ids[string(hash)]; taken || !bytes.Equal(r.hash, old) {
		return ErrConflict
	}
	delete(s.ids, string(old))
	s.ids[string(hash)] = id
	s.rows[id] = row{r.key, bytes.Clone(hash)}
	return nil
}

// Rotate implements [Store].
func (s *MemoryStore) Rotate(_ context.Context, old string, expires time.Time, next Key, hash []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[old]
	if !ok {
		return ErrNotFound
	}
	if !r.key.Revoked.IsZero() || r.key.Successor != "" {
		return ErrConflict
	}
	if err := s.insert(next, hash); err != nil {
		return err
	}
	r.key.Successor = next.ID
	if r.key.Expires.IsZero() || expires.Before(r.key.Expires) {
		r.key.Expires = expires
	}
	s.rows[old] = r
	return nil
}

// Revoke implements [Store].
func (s *MemoryStore) Revoke(_ context.Context, id string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[id]
	if !ok {
		return ErrNotFound
	}
	if r.key.Revoked.IsZero() {
		r.key.Revoked = at
		s.rows[id] = r
	}
	return nil
}

// RevokeOwner implements [Store].
func (s *MemoryStore) RevokeOwner(_ context.Context, owner string, at time.Time) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for id, r := range s.rows {
		if r.key.Owner == owner && r.key.Revoked.IsZero() {
			r.key.Revoked = at
			s.rows[id] = r
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Touch implements [Store].
func (s *MemoryStore) Touch(_ context.Context, used map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range used {
		if r, ok := s.rows[id]; ok && at.After(r.key.LastUsed) {
			r.key.LastUsed = at
			s.rows[id] = r
		}
	}
	return nil
}

// List implements [Store].
func (s *MemoryStore) List(_ context.Context, f Filter) ([]Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []Key
	for _, id := range slices.Sorted(maps.Keys(s.rows)) {
		r := s.rows[id]
		if id <= f.Cursor || f.Owner != "" && r.key.Owner != f.Owner {
			continue
		}
		if page = append(page, clone(r.key)); len(page) == f.Limit {
			break
		}
	}
	return page, nil
}

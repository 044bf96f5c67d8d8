package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ecolaura/rampart/internal/jose"
)

// defaultMemorySessions bounds a MemoryStore to some 30 MB.
const defaultMemorySessions = 100_000

const (
	sweepEvery  = time.Minute          // how often ended sessions are dropped
	searchEvery = time.Second          // how often a full store is searched: log-ins that fail must stay cheap
	keepFloors  = 400 * 24 * time.Hour // longer than any session, or refresh token of another issuer, lives
)

// A MemoryStore is a [Store] for one process; its sessions end with it.
// It is bounded: when it is full of live sessions, a log-in fails with
// ErrStoreFull, and nobody is logged out for it. Create one with
// [NewMemoryStore].
type MemoryStore struct {
	mu       sync.Mutex
	max      int
	sessions map[string]Session
	floors   map[string]memoryFloor // by subject; "" is everybody's
	swept    time.Time
	searched time.Time // for room
}

type memoryFloor struct{ at, raised time.Time }

// NewMemoryStore returns a store for at most limit sessions, and the floors of
// as many subjects; 0 means 100 000.
func NewMemoryStore(limit int) *MemoryStore {
	if limit <= 0 {
		limit = defaultMemorySessions
	}
	return &MemoryStore{max: limit, sessions: map[string]Session{}, floors: map[string]memoryFloor{}}
}

// Now implements [Store].
func (*MemoryStore) Now(context.Context) (time.Time, error) { return micro(time.Now()), nil }

// micro cuts t to what every store keeps.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Create implements [Store].
func (m *MemoryStore) Create(_ context.Context, s Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	s.AuthenticatedAt, s.RotatedAt = micro(s.AuthenticatedAt), micro(s.RotatedAt)
	s.Expires, s.Ends, s.Revoked = micro(s.Expires), micro(s.Ends), false
	s.TokenID, s.Blacklisted = "", false // no other issuer has a part in them
	if _, exists := m.sessions[s.ID]; exists {
		return ErrSessionExists
	}
	if m.judged(s).Revoked {
		return ErrSuperseded
	}
	if len(m.sessions) >= m.max && !m.makeRoom() {
		return ErrStoreFull
	}
	m.sessions[s.ID] = s
	return nil
}

// sweep drops what has ended. The caller holds m.mu.
func (m *MemoryStore) sweep() {
	now := time.Now()
	if now.Sub(m.swept) < sweepEvery {
		return
	}
	m.swept = now
	maps.DeleteFunc(m.sessions, func(_ string, s Session) bool { return !now.Before(s.Ends) })
	maps.DeleteFunc(m.floors, func(_ string, f memoryFloor) bool { return now.Sub(f.raised) > keepFloors })
}

// makeRoom drops the sessions that nobody can use any more, though their end is to
// come, and reports whether there were any. Those that a foreign token began stay:
// without a row the token would begin another one. The caller holds m.mu.
func (m *MemoryStore) makeRoom() bool {
	now := time.Now()
	if now.Sub(m.searched) < searchEvery {
		return false
	}
	m.searched = now
	full := len(m.sessions)
	maps.DeleteFunc(m.sessions, func(id string, s Session) bool {
		return !jose.IsForeignSession(id) && (m.judged(s).Revoked || !now.Before(s.Expires))
	})
	return len(m.sessions) < full
}

// judged returns s with Revoked as the floors have it. The caller holds m.mu.
func (m *MemoryStore) judged(s Session) Session {
	for _, who := range [...]string{s.Subject, ""} {
		if floor, ok := m.floors[who]; ok && !s.AuthenticatedAt.After(floor.at) {
			s.Revoked = true
		}
	}
	return s
}

// Get implements [Store].
func (m *MemoryStore) Get(_ context.Context, id string) (Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	if !ok {
		return Session{}, ErrNoSession
	}
	return m.judged(s), nil
}

// Advance implements [Store].
func (m *MemoryStore) Advance(_ context.Context, id string, gen int64, at, expires time.Time) (Session, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	if !ok {
		return Session{}, false, ErrNoSession
	}
	s = m.judged(s)
	if s.Revoked || s.Generation != gen || !micro(at).Before(s.Expires) {
		return s, false, nil
	}
	s.Generation, s.RotatedAt, s.Expires = gen+1, micro(at), micro(expires)
	if s.Expires.After(s.Ends) {
		s.Expires = s.Ends
	}
	m.sessions[id] = s
	return s, true, nil
}

// List implements [Store]. It looks through all sessions of the store.
func (m *MemoryStore) List(_ context.Context, subject string, limit int) ([]Session, error) {
	if subject == "" {
		return nil, errNobody
	}
	m.mu.Lock()
	live := m.live(subject)
	m.mu.Unlock()
	slices.SortFunc(live, func(a, b Session) int { return b.AuthenticatedAt.Compare(a.AuthenticatedAt) })
	return live[:min(len(live), max(limit, 0))], nil
}

// live returns the live sessions of subject. The caller holds m.mu.
func (m *MemoryStore) live(subject string) (live []Session) {
	now := time.Now()
	for _, s := range m.sessions {
		if s.Subject == subject && now.Before(s.Expires) && !m.judged(s).Revoked {
			live = append(live, s)
		}
	}
	return live
}

// Revoke implements [Store].
func (m *MemoryStore) Revoke(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, known := m.sessions[id]
	if known {
		s.Revoked = true
		m.sessions[id] = s
	}
	return known, nil
}

// RevokeSubject implements [Store]. It looks through all sessions of the store.
func (m *MemoryStore) RevokeSubject(_ context.Context, subject string, before time.Time) (int, error) {
	if subject == "" {
		return 0, errNobody
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	if _, known := m.floors[subject]; !known && len(m.floors) > m.max {
		return 0, ErrStoreFull
	}
	ended := 0
	for _, s := range m.live(subject) {
		if !s.AuthenticatedAt.After(before) {
			ended++
		}
	}
	m.raise(subject, before)
	return ended, nil
}

// RevokeBefore implements [Store].
func (m *MemoryStore) RevokeBefore(_ context.Context, before time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raise("", before)
	return nil
}

func (m *MemoryStore) raise(who string, before time.Time) {
	floor := m.floors[who]
	if before = micro(before); before.After(floor.at) {
		floor.at = before
	}
	floor.raised = time.Now()
	m.floors[who] = floor
}

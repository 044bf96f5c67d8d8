package auth

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// waitingExtra is how many changes may wait beyond an eighth of MaxEntries.
const waitingExtra = 64

// A waitingList holds the changes that found no room, a bounded number, until
// there is some.
type waitingList struct {
	max int
	n   atomic.Int64

	mu      sync.Mutex
	changes map[string]time.Time // when each expires
	tried   time.Time
}

func newWaitingList(entries int) *waitingList {
	return &waitingList{max: entries/8 + waitingExtra, changes: map[string]time.Time{}}
}

func (w *waitingList) empty() bool { return w.n.Load() == 0 }

// add is false if the list is full, too.
func (w *waitingList) add(change string, expires time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, known := w.changes[change]
	if !known && len(w.changes) >= w.max {
		return false
	}
	if expires.After(old) {
		w.changes[change] = expires
	}
	w.n.Store(int64(len(w.changes)))
	return true
}

// retry puts in what finds room now, once a second at most: sets that are full
// look no more often for what has expired.
func (w *waitingList) retry(put func(change string, expires time.Time) bool) {
	if w.empty() || !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.tried) < setSweepFull {
		return
	}
	w.tried = now
	maps.DeleteFunc(w.changes, func(change string, expires time.Time) bool {
		return !now.Before(expires) || put(change, expires)
	})
	w.n.Store(int64(len(w.changes)))
}

func (w *waitingList) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.changes)
	w.n.Store(0)
}

package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart/auth/session"
)

// TestStore runs the contract of a [session.Store]. open returns an empty
// store; it is called once for each part of the contract.
func TestStore(t *testing.T, open func(testing.TB) session.Store) {
	t.Helper()
	for _, part := range []struct {
		desc string
		run  func(*testing.T, session.Store)
	}{
		{"Now tells the time", testNow},
		{"a session comes back as it was created, to the microsecond", testCreate},
		{"an id is taken once", testCreateTwice},
		{"a device comes back as it was created, and from Advance and List, too", testDevice},
		{"an unknown session is ErrNoSession, and may be revoked", testUnknown},
		{"Advance moves the right generation once", testAdvance},
		{"Advance does not move a session past its end, or an expired one", testAdvanceBounds},
		{"Revoke ends one session for good", testRevoke},
		{"RevokeSubject ends what began by then, and what is created later but began by then", testRevokeSubject},
		{"RevokeSubject counts the live sessions that it ends", testRevokeSubjectCounts},
		{"of concurrent RevokeSubjects one counts each session", testConcurrentCount},
		{"RevokeSubject of nobody is an error and ends nothing", testRevokeNobody},
		{"RevokeBefore does so for all", testRevokeBefore},
		{"a floor only rises", testFloorRises},
		{"of 16 concurrent Advances one moves", testConcurrentAdvance},
		{"no log-in survives a concurrent RevokeSubject", testConcurrentRevoke},
		{"List returns the newest live sessions of its subject first, up to the limit", testList},
		{"List shows no session that has ended", testListEnded},
		{"List of nobody is an error", testListNobody},
		{"List shows at once what concurrent calls create and revoke", testConcurrentList},
		{"a cancelled context is an error or no effect", testCancelled},
	} {
		t.Run(part.desc, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// base is a fixed time with microseconds and a zone of its own.
func base() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
}

// session returns a live session: stores may drop what has ended by their clock.
func newRow(id, subject string) session.Session {
	far := time.Now().Add(24 * time.Hour)
	return session.Session{
		ID:              id,
		Subject:         subject,
		AuthenticatedAt: base(),
		Generation:      1,
		RotatedAt:       base(),
		Expires:         far,
		Ends:            far.Add(24 * time.Hour),
	}
}

func same(a, b time.Time) bool {
	return a.Truncate(time.Microsecond).Equal(b.Truncate(time.Microsecond))
}

func create(t *testing.T, store session.Store, s session.Session) {
	t.Helper()
	if err := store.Create(t.Context(), s); err != nil {
		t.Fatalf("Create(%s): %v", s.ID, err)
	}
}

func isRevoked(t *testing.T, store session.Store, id string) bool {
	t.Helper()
	s, err := store.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get(%s): %v", id, err)
	}
	return s.Revoked
}

func testNow(t *testing.T, store session.Store) {
	t.Helper()
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Since(now); off < -time.Minute || off > time.Minute {
		t.Errorf("off by %v", off)
	}
	later, err := store.Now(t.Context())
	if err != nil || later.Before(now) {
		t.Errorf("then %v, %v; want a later time", later, err)
	}
}

func testCreate(t *testing.T, store session.Store) {
	t.Helper()
	want := newRow("a", "1")
	create(t, store, want)
	got, err := store.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "a" || got.Subject != "1" || got.Generation != 1 || got.Revoked {
		t.Errorf("got %+v; want %+v", got, want)
	}
	for name, pair := range map[string][2]time.Time{
		"AuthenticatedAt": {got.AuthenticatedAt, want.AuthenticatedAt},
		"RotatedAt":       {got.RotatedAt, want.RotatedAt},
		"Expires":         {got.Expires, want.Expires},
		"Ends":            {got.Ends, want.Ends},
	} {
		if !same(pair[0], pair[1]) {
			t.Errorf("%s: got %v; want %v", name, pair[0], pair[1])
		}
	}
}

func testCreateTwice(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	if err := store.Create(t.Context(), newRow("a", "2")); !errors.Is(err, session.ErrSessionExists) {
		t.Errorf("got %v; want ErrSessionExists", err)
	}
	if s, err := store.Get(t.Context(), "a"); err != nil || s.Subject != "1" {
		t.Errorf("got %+v, %v; want the first one", s, err)
	}
}

func testUnknown(t *testing.T, store session.Store) {
	t.Helper()
	if _, err := store.Get(t.Context(), "a"); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("Get: got %v; want ErrNoSession", err)
	}
	_, moved, err := store.Advance(t.Context(), "a", 1, base(), base().Add(time.Hour))
	if moved || !errors.Is(err, session.ErrNoSession) {
		t.Errorf("Advance: got %t, %v; want ErrNoSession", moved, err)
	}
	if known, err := store.Revoke(t.Context(), "a"); known || err != nil {
		t.Errorf("Revoke: got %t, %v; want false", known, err)
	}
	if live := list(t, store, "1", 10); len(live) > 0 {
		t.Errorf("List: got %v; want none", live)
	}
	if ended := revokeSubject(t, store, "1", base()); ended != 0 {
		t.Errorf("RevokeSubject: got %d; want 0", ended)
	}
}

func testDevice(t *testing.T, store session.Store) {
	t.Helper()
	want := strings.Repeat("d", 108) + " ☎ é 日本 \"'\\%\U0001f4f1" // 128 bytes
	s := newRow("a", "1")
	s.Device = want
	create(t, store, s)
	create(t, store, newRow("none", "2"))
	got, err := store.Get(t.Context(), "a")
	if err != nil || got.Device != want {
		t.Errorf("Get: got %q, %v; want %q", got.Device, err, want)
	}
	got, _, err = store.Advance(t.Context(), "a", 1, time.Now(), time.Now().Add(time.Hour))
	if err != nil || got.Device != want {
		t.Errorf("Advance: got %q, %v; want %q", got.Device, err, want)
	}
	if live := list(t, store, "1", 1); len(live) != 1 || live[0].Device != want {
		t.Errorf("List: got %v; want %q", live, want)
	}
	if got, err := store.Get(t.Context(), "none"); err != nil || got.Device != "" {
		t.Errorf("without a device: got %q, %v", got.Device, err)
	}
}

func testAdvance(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	at, expires := base().Add(time.Minute), time.Now().Add(time.Hour)
	for _, gen := range []int64{0, 2} {
		if s, moved, err := store.Advance(t.Context(), "a", gen, at, expires); moved || err != nil || s.Generation != 1 {
			t.Errorf("generation %d: got %+v, %t, %v; want no move", gen, s, moved, err)
		}
	}
	s, moved, err := store.Advance(t.Context(), "a", 1, at, expires)
	if !moved || err != nil || s.Generation != 2 || !same(s.RotatedAt, at) || !same(s.Expires, expires) || s.ID != "a" || s.Subject != "1" {
		t.Errorf("got %+v, %t, %v; want generation 2", s, moved, err)
	}
	again, moved, err := store.Advance(t.Context(), "a", 1, at.Add(time.Second), expires)
	if moved || err != nil || again.Generation != 2 || !same(again.RotatedAt, at) {
		t.Errorf("again: got %+v, %t, %v; want generation 2 as it was", again, moved, err)
	}
	if stored, err := store.Get(t.Context(), "a"); err != nil || stored.Generation != 2 || !same(stored.Expires, expires) {
		t.Errorf("stored: got %+v, %v", stored, err)
	}
}

func testAdvanceBounds(t *testing.T, store session.Store) {
	t.Helper()
	first := newRow("a", "1")
	create(t, store, first)
	s, moved, err := store.Advance(t.Context(), "a", 1, time.Now(), first.Ends.Add(time.Hour))
	if !moved || err != nil || !same(s.Expires, first.Ends) {
		t.Fatalf("got %+v, %t, %v; want it to expire at %v", s, moved, err, first.Ends)
	}
	if s, moved, err = store.Advance(t.Context(), "a", 2, s.Expires, s.Expires.Add(time.Hour)); moved || err != nil || s.Generation != 2 {
		t.Errorf("at its expiry: got %+v, %t, %v; want no move", s, moved, err)
	}
}

func testRevoke(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	create(t, store, newRow("b", "1"))
	for range 2 { // the second time it changes nothing
		if known, err := store.Revoke(t.Context(), "a"); !known || err != nil {
			t.Fatalf("got %t, %v; want true", known, err)
		}
	}
	if !isRevoked(t, store, "a") || isRevoked(t, store, "b") {
		t.Error("want a revoked and b not")
	}
	s, moved, err := store.Advance(t.Context(), "a", 1, time.Now(), time.Now().Add(time.Hour))
	if moved || err != nil || !s.Revoked {
		t.Errorf("Advance: got %+v, %t, %v; want no move", s, moved, err)
	}
	if err := store.Create(t.Context(), newRow("a", "1")); !errors.Is(err, session.ErrSessionExists) {
		t.Errorf("Create: got %v; want ErrSessionExists", err)
	}
}

func testRevokeSubject(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	create(t, store, newRow("other", "2"))
	revokeSubject(t, store, "1", base())
	if !isRevoked(t, store, "a") || isRevoked(t, store, "other") {
		t.Error("want a revoked and other not")
	}
	if s, moved, err := store.Advance(t.Context(), "a", 1, time.Now(), time.Now().Add(time.Hour)); moved || err != nil || !s.Revoked {
		t.Errorf("Advance: got %+v, %t, %v; want no move", s, moved, err)
	}
	if err := store.Create(t.Context(), newRow("late", "1")); !errors.Is(err, session.ErrSuperseded) {
		t.Errorf("a log-in that had begun: got %v; want ErrSuperseded", err)
	}
	next := newRow("next", "1")
	next.AuthenticatedAt = base().Add(time.Microsecond)
	create(t, store, next) // within the same second
	if isRevoked(t, store, "next") {
		t.Error("a log-in that began after it is revoked")
	}
}

func testRevokeNobody(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	if _, err := store.RevokeSubject(t.Context(), "", base()); err == nil {
		t.Error("RevokeSubject: got no error; want one for the subject \"\"")
	}
	if isRevoked(t, store, "a") {
		t.Error("the session of another subject is revoked")
	}
	create(t, store, newRow("late", "2"))
}

func testRevokeBefore(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	young := newRow("young", "2")
	young.AuthenticatedAt = base().Add(time.Millisecond)
	create(t, store, young)
	if err := store.RevokeBefore(t.Context(), base()); err != nil {
		t.Fatal(err)
	}
	if !isRevoked(t, store, "a") || isRevoked(t, store, "young") {
		t.Error("want a revoked and young not")
	}
	if err := store.Create(t.Context(), newRow("late", "3")); !errors.Is(err, session.ErrSuperseded) {
		t.Errorf("got %v; want ErrSuperseded", err)
	}
}

func testFloorRises(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	for _, before := range []time.Time{base(), base().Add(-time.Hour)} {
		revokeSubject(t, store, "1", before)
		if err := store.RevokeBefore(t.Context(), before.Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if !isRevoked(t, store, "a") {
		t.Error("a lower floor gave a revoked session back")
	}
}

func testConcurrentAdvance(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	for gen := int64(1); gen <= 8; gen++ {
		moves := concurrently(16, func() bool {
			s, moved, err := store.Advance(t.Context(), "a", gen, time.Now(), time.Now().Add(time.Hour))
			if err != nil || s.Generation != gen+1 {
				t.Errorf("got %+v, %v; want generation %d", s, err, gen+1)
			}
			return moved
		})
		if moves != 1 {
			t.Fatalf("generation %d: %d of 16 moved", gen, moves)
		}
	}
}

// concurrently runs f n times at once and counts how often it returned true.
func concurrently(n int, f func() bool) int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := 0
	start := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-start
			if f() {
				mu.Lock()
				count++
				mu.Unlock()
			}
		})
	}
	close(start)
	wg.Wait()
	return count
}

func testConcurrentRevoke(t *testing.T, store session.Store) {
	t.Helper()
	var mu sync.Mutex
	next := 0
	concurrently(16, func() bool {
		mu.Lock()
		next++
		n := next
		mu.Unlock()
		if n == 8 {
			if _, err := store.RevokeSubject(t.Context(), "1", base()); err != nil {
				t.Error(err)
			}
			return true
		}
		err := store.Create(t.Context(), newRow(fmt.Sprint(n), "1"))
		if err != nil && !errors.Is(err, session.ErrSuperseded) {
			t.Error(err)
		}
		return true
	})
	for n := range 16 {
		s, err := store.Get(t.Context(), fmt.Sprint(n+1))
		if err == nil && !s.Revoked {
			t.Errorf("session %s survived", s.ID)
		}
	}
}

func testCancelled(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, moved, err := store.Advance(ctx, "a", 1, time.Now(), time.Now().Add(time.Hour))
	s, getErr := store.Get(t.Context(), "a")
	if getErr != nil {
		t.Fatal(getErr)
	}
	if moved != (err == nil) || moved != (s.Generation == 2) {
		t.Errorf("got moved %t, error %v, generation %d: they contradict each other", moved, err, s.Generation)
	}
}

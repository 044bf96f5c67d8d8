package authtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart/auth/session"
)

// at returns a session of the subject "1" that began so long after base.
func at(id string, after time.Duration) session.Session {
	s := newRow(id, "1")
	s.AuthenticatedAt = base().Add(after)
	return s
}

func revokeSubject(t *testing.T, store session.Store, subject string, before time.Time) int {
	t.Helper()
	ended, err := store.RevokeSubject(t.Context(), subject, before)
	if err != nil {
		t.Fatalf("RevokeSubject(%s): %v", subject, err)
	}
	return ended
}

func list(t *testing.T, store session.Store, subject string, limit int) []session.Session {
	t.Helper()
	live, err := store.List(t.Context(), subject, limit)
	if err != nil {
		t.Fatalf("List(%s): %v", subject, err)
	}
	return live
}

func ids(sessions []session.Session) string {
	var all []string
	for _, s := range sessions {
		all = append(all, s.ID)
	}
	return strings.Join(all, " ")
}

func testRevokeSubjectCounts(t *testing.T, store session.Store) {
	t.Helper()
	expired := at("expired", 0)
	expired.Expires = time.Now().Add(-time.Minute)
	for _, s := range []session.Session{
		at("first", -time.Hour), at("last", 0), at("revoked", 0), expired, at("young", time.Microsecond), newRow("other", "2"),
	} {
		create(t, store, s)
	}
	if _, err := store.Revoke(t.Context(), "revoked"); err != nil {
		t.Fatal(err)
	}
	if ended := revokeSubject(t, store, "1", base()); ended != 2 {
		t.Errorf("got %d; want first and last", ended)
	}
	if ended := revokeSubject(t, store, "1", base()); ended != 0 {
		t.Errorf("again: got %d; want 0", ended)
	}
	if err := store.RevokeBefore(t.Context(), base()); err != nil {
		t.Fatal(err)
	}
	if ended := revokeSubject(t, store, "2", base()); ended != 0 {
		t.Errorf("after RevokeBefore: got %d; want 0", ended)
	}
	if ended := revokeSubject(t, store, "1", base().Add(time.Hour)); ended != 1 {
		t.Errorf("later: got %d; want young", ended)
	}
}

func testConcurrentCount(t *testing.T, store session.Store) {
	t.Helper()
	for n := range 20 {
		create(t, store, newRow(fmt.Sprint(n), "1"))
	}
	var mu sync.Mutex
	total := 0
	concurrently(8, func() bool {
		ended, err := store.RevokeSubject(t.Context(), "1", base())
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		total += ended
		mu.Unlock()
		return true
	})
	if total != 20 {
		t.Errorf("counted %d; want 20", total)
	}
}

func testList(t *testing.T, store session.Store) {
	t.Helper()
	for _, s := range []session.Session{
		at("d", time.Minute), at("a", -time.Hour), at("c", time.Microsecond), newRow("other", "2"), at("b", 0),
	} {
		create(t, store, s)
	}
	for limit, want := range map[int]string{-1: "", 0: "", 1: "d", 3: "d c b", 4: "d c b a", 1000: "d c b a"} {
		if got := ids(list(t, store, "1", limit)); got != want {
			t.Errorf("limit %d: got %q; want %q", limit, got, want)
		}
	}
	for _, s := range list(t, store, "1", 4) {
		if got, err := store.Get(t.Context(), s.ID); err != nil || got != s {
			t.Errorf("got %+v; Get returns %+v, %v", s, got, err)
		}
	}
	if got := ids(list(t, store, "2", 4)); got != "other" {
		t.Errorf("of another subject: got %q", got)
	}
	advanced, _, err := store.Advance(t.Context(), "a", 1, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if live := list(t, store, "1", 4); ids(live) != "d c b a" || live[3] != advanced {
		t.Errorf("after Advance: got %+v; want %+v last", live, advanced)
	}
}

func testListEnded(t *testing.T, store session.Store) {
	t.Helper()
	expired, ended := at("expired", time.Hour), at("ended", time.Hour)
	expired.Expires = time.Now().Add(-time.Minute)
	ended.Expires, ended.Ends = expired.Expires, expired.Expires
	for _, s := range []session.Session{
		at("old", -time.Hour), at("floored", 0), at("a", time.Microsecond), at("revoked", time.Minute), expired, ended, at("b", 2*time.Hour),
	} {
		create(t, store, s)
	}
	if _, err := store.Revoke(t.Context(), "revoked"); err != nil {
		t.Fatal(err)
	}
	if got := ids(list(t, store, "1", 10)); got != "b a floored old" {
		t.Errorf("got %q", got)
	}
	if err := store.RevokeBefore(t.Context(), base().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := ids(list(t, store, "1", 10)); got != "b a floored" {
		t.Errorf("after RevokeBefore: got %q", got)
	}
	revokeSubject(t, store, "1", base())
	if got := ids(list(t, store, "1", 10)); got != "b a" {
		t.Errorf("after RevokeSubject: got %q", got)
	}
	if got := ids(list(t, store, "1", 2)); got != "b a" { // what has ended takes no place
		t.Errorf("the newest two: got %q", got)
	}
}

func testListNobody(t *testing.T, store session.Store) {
	t.Helper()
	create(t, store, newRow("a", "1"))
	if live, err := store.List(t.Context(), "", 10); err == nil || len(live) > 0 {
		t.Errorf("got %v, %v; want an error", live, err)
	}
}

func testConcurrentList(t *testing.T, store session.Store) {
	t.Helper()
	var mu sync.Mutex
	next := 0
	concurrently(16, func() bool {
		mu.Lock()
		id := fmt.Sprint(next)
		revoke := next%2 == 1
		next++
		mu.Unlock()
		if err := store.Create(t.Context(), newRow(id, "1")); err != nil {
			t.Error(err)
		}
		if revoke {
			if known, err := store.Revoke(t.Context(), id); !known || err != nil {
				t.Errorf("Revoke(%s): got %t, %v", id, known, err)
			}
		}
		live, err := store.List(t.Context(), "1", 100)
		listed := slices.ContainsFunc(live, func(s session.Session) bool { return s.ID == id })
		if err != nil || listed == revoke {
			t.Errorf("session %s, revoked %t: got %q, %v", id, revoke, ids(live), err)
		}
		return true
	})
	if live := list(t, store, "1", 100); len(live) != 8 {
		t.Errorf("got %q; want the 8 that are not revoked", ids(live))
	}
}

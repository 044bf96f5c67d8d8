package apikeytest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart/apikey"
)

// TestStore holds a store against the contract of [apikey.Store]. Open returns
// a fresh, empty store each time it is called; what it opens it closes with
// [testing.TB.Cleanup].
func TestStore(t *testing.T, open func(testing.TB) apikey.Store) {
	t.Helper()
	tests := []struct {
		desc string
		run  func(contract)
	}{
		{"every field of a key comes back", contract.everyField},
		{"an unknown key is ErrNotFound", contract.unknown},
		{"an id and a hash are taken once", contract.taken},
		{"what is returned shares nothing with the store", contract.shared},
		{"a hash is updated by compare and set", contract.updateHash},
		{"of many hash updates exactly one wins", contract.updateHashRace},
		{"a rotation gives a successor and ends the old key", contract.rotate},
		{"a rotation never lengthens a life", contract.rotateLife},
		{"a key is rotated once, and never when revoked", contract.rotateRefused},
		{"a rotation that fails leaves nothing behind", contract.rotateAtomic},
		{"of many rotations exactly one wins", contract.rotateRace},
		{"a revocation stays", contract.revoke},
		{"an owner's keys are revoked together", contract.revokeOwner},
		{"no successor outlives the revocation of its owner", contract.revokeOwnerRace},
		{"a last use never moves back", contract.touch},
		{"pages are ordered by the bytes of the id", contract.list},
		{"odd text is kept as it is", contract.oddText},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) { tt.run(contract{t, open(t)}) })
	}
}

// contract is one run of one clause: a test and the store for it.
type contract struct {
	t *testing.T
	s apikey.Store
}

// want fails t unless ok.
func want(t *testing.T, ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf(format, args...)
	}
}

// is fails t unless err is target; nil is itself.
func is(t *testing.T, err, target error) {
	t.Helper()
	want(t, errors.Is(err, target), "error: got %v; want %v", err, target)
}

// day is some time in the past, exact to the microsecond.
func day(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 123456000, time.UTC) }

// hash returns a hash that belongs to id.
func hash(id string) []byte { return []byte(strings.Repeat(id+".", 32)[:32]) }

// key returns a small key.
func key(id, owner string) apikey.Key {
	return apikey.Key{ID: id, Name: "key " + id, Owner: owner, Created: day(1)}
}

// insert adds small keys of owner.
func insert(t *testing.T, s apikey.Store, owner string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		is(t, s.Insert(t.Context(), key(id, owner), hash(id)), nil)
	}
}

// lookup returns a key that must be there.
func lookup(t *testing.T, s apikey.Store, id string) apikey.Key {
	t.Helper()
	k, _, err := s.Lookup(t.Context(), id)
	is(t, err, nil)
	return k
}

// same reports whether a and b are the same key; empty and nil are the same.
func same(a, b apikey.Key) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Owner == b.Owner && a.Plan == b.Plan && a.Successor == b.Successor &&
		slices.Equal(a.Scopes, b.Scopes) && slices.Equal(a.Allow, b.Allow) && maps.Equal(a.Meta, b.Meta) &&
		a.Created.Equal(b.Created) && a.Expires.Equal(b.Expires) && a.Revoked.Equal(b.Revoked) && a.LastUsed.Equal(b.LastUsed)
}

func full() apikey.Key {
	return apikey.Key{
		ID: "Full", Name: "full", Owner: "alice", Plan: "gold", Successor: "Next",
		Scopes:  []string{"products:write", "customers:read"},
		Allow:   []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Meta:    map[string]string{"team": "billing", "empty": ""},
		Created: day(1), Expires: day(9), Revoked: day(3), LastUsed: day(2),
	}
}

func (c contract) everyField() {
	t, s := c.t, c.s
	insert(t, s, "bob", "Bare")
	is(t, s.Insert(t.Context(), full(), hash("Full")), nil)
	for _, k := range []apikey.Key{full(), key("Bare", "bob")} {
		got, h, err := s.Lookup(t.Context(), k.ID)
		is(t, err, nil)
		want(t, same(got, k), "got %+v; want %+v", got, k)
		want(t, string(h) == string(hash(k.ID)), "hash: got %x", h)
		got, err = s.LookupHash(t.Context(), hash(k.ID))
		is(t, err, nil)
		want(t, same(got, k), "by hash: got %+v; want %+v", got, k)
	}
	got := lookup(t, s, "Bare")
	want(t, got.Expires.IsZero() && got.Revoked.IsZero() && got.LastUsed.IsZero(), "zero times: got %+v", got)
}

func (c contract) unknown() {
	t, s := c.t, c.s
	insert(t, s, "alice", "Abc")
	ctx := t.Context()
	for _, id := range []string{"", "abc", "Ab", "Abcd"} { // ids are case-sensitive
		_, _, err := s.Lookup(ctx, id)
		is(t, err, apikey.ErrNotFound)
		is(t, s.UpdateHash(ctx, id, hash("Abc"), hash("x")), apikey.ErrNotFound)
		is(t, s.Rotate(ctx, id, day(2), key("Next", "alice"), hash("Next")), apikey.ErrNotFound)
		is(t, s.Revoke(ctx, id, day(2)), apikey.ErrNotFound)
	}
	_, err := s.LookupHash(ctx, hash("abc"))
	is(t, err, apikey.ErrNotFound)
	is(t, s.Touch(ctx, map[string]time.Time{"abc": day(2)}), nil)
	is(t, s.Touch(ctx, nil), nil)
	want(t, same(lookup(t, s, "Abc"), key("Abc", "alice")), "another key was changed")
}

func (c contract) taken() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A")
	is(t, s.Insert(t.Context(), key("A", "bob"), hash("B")), apikey.ErrConflict)
	is(t, s.Insert(t.Context(), key("B", "bob"), hash("A")), apikey.ErrConflict)
	_, _, err := s.Lookup(t.Context(), "B")
	is(t, err, apikey.ErrNotFound)
	want(t, lookup(t, s, "A").Owner == "alice", "the first key was overwritten")
}

func (c contract) shared() {
	t, s := c.t, c.s
	in, h := full(), hash("Full")
	is(t, s.Insert(t.Context(), in, h), nil)
	spoil := func(k apikey.Key) {
		k.Scopes[0], k.Allow[0], k.Meta["team"] = "admin", netip.Prefix{}, "x"
	}
	spoil(in)
	h[0]++
	got, gotHash, err := s.Lookup(t.Context(), "Full")
	is(t, err, nil)
	want(t, same(got, full()) && string(gotHash) == string(hash("Full")), "a change of what was inserted shows")
	spoil(got)
	gotHash[0]++
	byHash, err := s.LookupHash(t.Context(), hash("Full"))
	is(t, err, nil)
	spoil(byHash)
	page, err := s.List(t.Context(), apikey.Filter{Limit: 1})
	is(t, err, nil)
	spoil(page[0])
	got, gotHash, err = s.Lookup(t.Context(), "Full")
	is(t, err, nil)
	want(t, same(got, full()) && string(gotHash) == string(hash("Full")), "a change of what was returned shows")
}

func (c contract) updateHash() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A", "B")
	ctx := t.Context()
	is(t, s.UpdateHash(ctx, "A", hash("x"), hash("y")), apikey.ErrConflict)
	is(t, s.UpdateHash(ctx, "A", hash("A"), hash("A2")), nil)
	is(t, s.UpdateHash(ctx, "A", hash("A"), hash("A3")), apikey.ErrConflict)
	_, h, err := s.Lookup(ctx, "A")
	is(t, err, nil)
	want(t, string(h) == string(hash("A2")), "got %x", h)
	_, err = s.LookupHash(ctx, hash("A"))
	is(t, err, apikey.ErrNotFound)
	k, err := s.LookupHash(ctx, hash("A2"))
	is(t, err, nil)
	want(t, k.ID == "A", "got %q", k.ID)
	_, err = s.LookupHash(ctx, hash("B"))
	is(t, err, nil)
}

// race calls f n times at once and returns how often it returned no error.
// Every error must be an ErrConflict.
func race(t *testing.T, n int, f func(i int) error) int {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		is(t, err, apikey.ErrConflict)
	}
	return won
}

func (c contract) updateHashRace() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A")
	won := race(t, 8, func(i int) error {
		return s.UpdateHash(t.Context(), "A", hash("A"), hash(fmt.Sprint("n", i)))
	})
	want(t, won == 1, "%d updates won", won)
}

func (c contract) rotate() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A")
	next := full()
	next.ID, next.Successor, next.Revoked = "B", "", time.Time{}
	is(t, s.Rotate(t.Context(), "A", day(5), next, hash("B")), nil)
	old := key("A", "alice")
	old.Successor, old.Expires = "B", day(5)
	got := lookup(t, s, "A")
	want(t, same(got, old), "old: got %+v; want %+v", got, old)
	got, h, err := s.Lookup(t.Context(), "B")
	is(t, err, nil)
	want(t, same(got, next) && string(h) == string(hash("B")), "new: got %+v; want %+v", got, next)
	is(t, s.Rotate(t.Context(), "B", day(5), key("C", "alice"), hash("C")), nil)
}

func (c contract) rotateLife() {
	t, s := c.t, c.s
	for i, tt := range []struct{ had, asked, want time.Time }{
		{time.Time{}, day(5), day(5)},
		{day(4), day(5), day(4)},
		{day(6), day(5), day(5)},
	} {
		k := key(fmt.Sprint("A", i), "alice")
		k.Expires = tt.had
		is(t, s.Insert(t.Context(), k, hash(k.ID)), nil)
		next := fmt.Sprint("B", i)
		is(t, s.Rotate(t.Context(), k.ID, tt.asked, key(next, "alice"), hash(next)), nil)
		got := lookup(t, s, k.ID).Expires
		want(t, got.Equal(tt.want), "expired at %v, rotated to %v: got %v; want %v", tt.had, tt.asked, got, tt.want)
	}
}

func (c contract) rotateRefused() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A", "R")
	ctx := t.Context()
	is(t, s.Rotate(ctx, "A", day(5), key("B", "alice"), hash("B")), nil)
	is(t, s.Rotate(ctx, "A", day(4), key("C", "alice"), hash("C")), apikey.ErrConflict)
	is(t, s.Revoke(ctx, "R", day(2)), nil)
	is(t, s.Rotate(ctx, "R", day(4), key("C", "alice"), hash("C")), apikey.ErrConflict)
	_, _, err := s.Lookup(ctx, "C")
	is(t, err, apikey.ErrNotFound)
	want(t, lookup(t, s, "A").Expires.Equal(day(5)) && lookup(t, s, "R").Expires.IsZero(), "a refused rotation changed a life")
}

func (c contract) rotateAtomic() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A", "B")
	is(t, s.Rotate(t.Context(), "A", day(5), key("B", "alice"), hash("C")), apikey.ErrConflict) // id taken
	is(t, s.Rotate(t.Context(), "A", day(5), key("C", "alice"), hash("B")), apikey.ErrConflict) // hash taken
	got := lookup(t, s, "A")
	want(t, same(got, key("A", "alice")), "the old key was changed: %+v", got)
	_, _, err := s.Lookup(t.Context(), "C")
	is(t, err, apikey.ErrNotFound)
}

func (c contract) rotateRace() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A")
	won := race(t, 8, func(i int) error {
		id := fmt.Sprint("N", i)
		return s.Rotate(t.Context(), "A", day(5), key(id, "alice"), hash(id))
	})
	want(t, won == 1, "%d rotations won", won)
	page, err := s.List(t.Context(), apikey.Filter{Limit: 10})
	is(t, err, nil)
	want(t, len(page) == 2 && page[0].Successor == page[1].ID, "got %+v", page)
}

func (c contract) revoke() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A", "B")
	is(t, s.Revoke(t.Context(), "A", day(2)), nil)
	is(t, s.Revoke(t.Context(), "A", day(3)), nil)
	got := lookup(t, s, "A")
	want(t, got.Revoked.Equal(day(2)), "got %v; want the first time", got.Revoked)
	want(t, lookup(t, s, "B").Revoked.IsZero(), "another key was revoked")
}

func (c contract) revokeOwner() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A", "B", "C")
	insert(t, s, "bob", "D")
	insert(t, s, "", "E")
	ctx := t.Context()
	is(t, s.Revoke(ctx, "B", day(2)), nil)
	ids, err := s.RevokeOwner(ctx, "alice", day(3))
	is(t, err, nil)
	slices.Sort(ids)
	want(t, slices.Equal(ids, []string{"A", "C"}), "got %v", ids)
	want(t, lookup(t, s, "A").Revoked.Equal(day(3)) && lookup(t, s, "B").Revoked.Equal(day(2)), "wrong times")
	want(t, lookup(t, s, "D").Revoked.IsZero() && lookup(t, s, "E").Revoked.IsZero(), "keys of others were revoked")
	ids, err = s.RevokeOwner(ctx, "nobody", day(3))
	is(t, err, nil)
	want(t, len(ids) == 0, "got %v", ids)
}

func (c contract) revokeOwnerRace() {
	t, s := c.t, c.s
	const keys = 20
	for i := range keys {
		insert(t, s, "alice", fmt.Sprintf("K%02d", i))
	}
	won := race(t, keys+1, func(i int) error {
		if i == keys/2 {
			_, err := s.RevokeOwner(t.Context(), "alice", day(3))
			return err
		}
		old, next := fmt.Sprintf("K%02d", i%keys), fmt.Sprintf("N%02d", i)
		return s.Rotate(t.Context(), old, day(5), key(next, "alice"), hash(next))
	})
	want(t, won >= 1, "the revocation failed")
	page, err := s.List(t.Context(), apikey.Filter{Owner: "alice", Limit: 3 * keys})
	is(t, err, nil)
	for _, k := range page {
		want(t, !k.Revoked.IsZero(), "key %s is still good", k.ID)
	}
}

func (c contract) touch() {
	t, s := c.t, c.s
	insert(t, s, "alice", "A", "B", "C")
	ctx := t.Context()
	is(t, s.Touch(ctx, map[string]time.Time{"A": day(3), "B": day(3), "none": day(3)}), nil)
	is(t, s.Touch(ctx, map[string]time.Time{"A": day(2), "B": day(4)}), nil)
	want(t, lookup(t, s, "A").LastUsed.Equal(day(3)), "A: got %v", lookup(t, s, "A").LastUsed)
	want(t, lookup(t, s, "B").LastUsed.Equal(day(4)), "B: got %v", lookup(t, s, "B").LastUsed)
	want(t, lookup(t, s, "C").LastUsed.IsZero(), "C: got %v", lookup(t, s, "C").LastUsed)
}

func (c contract) list() {
	t, s := c.t, c.s
	insert(t, s, "alice", "b", "B", "_", "a", "1")
	insert(t, s, "bob", "Z")
	for _, tt := range []struct {
		f    apikey.Filter
		want string
	}{
		{apikey.Filter{Limit: 10}, "1 B Z _ a b"},
		{apikey.Filter{Owner: "alice", Limit: 10}, "1 B _ a b"},
		{apikey.Filter{Owner: "alice", Limit: 2}, "1 B"},
		{apikey.Filter{Owner: "alice", Cursor: "B", Limit: 2}, "_ a"},
		{apikey.Filter{Owner: "alice", Cursor: "a", Limit: 2}, "b"},
		{apikey.Filter{Cursor: "a", Limit: 2}, "b"},
		{apikey.Filter{Cursor: "b", Limit: 2}, ""},
		{apikey.Filter{Owner: "nobody", Limit: 2}, ""},
		{apikey.Filter{Owner: "Alice", Limit: 2}, ""},
	} {
		page, err := s.List(t.Context(), tt.f)
		is(t, err, nil)
		ids := make([]string, len(page))
		for i, k := range page {
			ids[i] = k.ID
		}
		got := strings.Join(ids, " ")
		want(t, got == tt.want, "%+v: got %q; want %q", tt.f, got, tt.want)
	}
}

func (c contract) oddText() {
	t, s := c.t, c.s
	odd := `'; DROP TABLE x; -- ? $1 %s \ "é" 鍵 ` + strings.Repeat("x", 200)
	k := key("Odd", odd)
	k.Name, k.Plan, k.Meta, k.Scopes = odd, odd, map[string]string{odd: odd}, []string{odd}
	is(t, s.Insert(t.Context(), k, hash("Odd")), nil)
	got := lookup(t, s, "Odd")
	want(t, same(got, k), "got %+v; want %+v", got, k)
	page, err := s.List(t.Context(), apikey.Filter{Owner: odd, Limit: 1})
	is(t, err, nil)
	want(t, len(page) == 1, "not found by its owner")
}

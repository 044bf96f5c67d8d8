package apikey_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
)

func TestCreateSetsWhatIsNotTheCallersToSet(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.FixedZone("x", 3600))
	f := newFixture(t, func(c *apikey.Config) { c.Now = func() time.Time { return now } })
	in := apikey.Key{
		ID: "mine", Name: "n", Owner: "alice", Plan: "gold", Scopes: []string{"a"}, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Meta: map[string]string{"k": "v"}, Successor: "x", Created: now.Add(-time.Hour), Expires: now.Add(time.Hour), Revoked: now, LastUsed: now,
	}
	k, _, err := f.Create(t.Context(), in)
	require.NoError(t, err)
	assert.NotEqual(t, "mine", k.ID)
	want := in
	want.ID, want.Successor, want.Revoked, want.LastUsed = k.ID, "", time.Time{}, time.Time{}
	want.Created = now.UTC().Truncate(time.Microsecond)
	want.Expires = now.UTC().Add(time.Hour).Truncate(time.Microsecond)
	assert.Equal(t, want, k)
	stored, _, err := f.store.Lookup(t.Context(), k.ID)
	require.NoError(t, err)
	assert.Equal(t, want, stored)
	event := f.log.last(t)
	assert.Equal(t, "authn_token_created", event["event"])
	assert.Equal(t, "api_key", event["kind"])
	assert.Equal(t, k.ID, event["key_id"])
	assert.Equal(t, "INFO", event["level"])
}

func TestWhatCannotBeStoredIsRefusedFieldByField(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("x", 600)
	tests := []struct {
		desc string
		k    apikey.Key
		want string
	}{
		{"no name", apikey.Key{}, "apikey: invalid key: name: required"},
		{"a blank name", apikey.Key{Name: " "}, "apikey: invalid key: name: required"},
		{"control characters", apikey.Key{Name: "a\x00", Owner: "\x1b", Plan: "\u202e"}, "apikey: invalid key: name: invalid: owner: invalid: plan: invalid"},
		{"invalid UTF-8", apikey.Key{Name: "a\xff"}, "apikey: invalid key: name: invalid"},
		{"long texts", apikey.Key{Name: long, Owner: long, Plan: long}, "apikey: invalid key: name: max_length: owner: max_length: plan: max_length"},
		{"scopes", apikey.Key{Name: "n", Scopes: []string{"a", "", "a b", `"`, `\`, "é", "a", long}}, "apikey: invalid key: scopes/1: invalid: scopes/2: invalid: scopes/3: invalid: scopes/4: invalid: scopes/5: invalid: scopes/6: unique: scopes/7: invalid"},
		{"too many addresses", apikey.Key{Name: "n", Allow: many(65, netip.MustParsePrefix("10.0.0.0/8"))}, "apikey: invalid key: allow: max_length"},
		{"addresses", apikey.Key{Name: "n", Allow: []netip.Prefix{{}, netip.MustParsePrefix("10.0.0.1/8"), netip.MustParsePrefix("::ffff:10.0.0.0/104")}}, "apikey: invalid key: allow/0: invalid: allow/1: invalid: allow/2: invalid"},
		{"metadata", apikey.Key{Name: "n", Meta: map[string]string{"k": "a\n"}}, "apikey: invalid key: meta: invalid"},
		{"too much metadata", apikey.Key{Name: "n", Meta: map[string]string{"k": long}}, "apikey: invalid key: meta: invalid"},
		{"an expiry in the past", apikey.Key{Name: "n", Expires: time.Now().Add(-time.Second)}, "apikey: invalid key: expires: invalid"},
		{"an expiry that JSON cannot write", apikey.Key{Name: "n", Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "apikey: invalid key: expires: invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, secret, err := f.Create(t.Context(), tt.k)
			require.EqualError(t, err, tt.want)
			assert.Empty(t, secret.Reveal())
		})
	}
	scopes := make([]string, 65)
	meta := map[string]string{}
	for i := range scopes {
		scopes[i] = strings.Repeat("s", i+1)
		meta[scopes[i]] = ""
	}
	_, _, err := f.Create(t.Context(), apikey.Key{Name: "n", Scopes: scopes, Meta: meta})
	require.EqualError(t, err, "apikey: invalid key: scopes: max_length: meta: max_length")
	assert.Zero(t, f.store.writes.Load())
	for _, name := range scopes[32:] {
		delete(meta, name)
	}
	_, _, err = f.Create(t.Context(), apikey.Key{Name: "n", Scopes: scopes[:64], Meta: meta})
	require.NoError(t, err, "as many as may be")
}

func many[T any](n int, v T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}
	return all
}

func TestRotation(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(c *apikey.Config) { c.Now = func() time.Time { return now } })
	old, oldText := f.make(t)
	next, secret, err := f.Rotate(t.Context(), old.ID, time.Hour)
	require.NoError(t, err)
	text := secret.Reveal()
	assert.NotEqual(t, oldText, text)
	assert.Equal(t, old.Scopes, next.Scopes)
	assert.Equal(t, old.Name, next.Name)
	assert.Equal(t, old.Owner, next.Owner)
	event := f.log.last(t)
	assert.Equal(t, "authn_token_created", event["event"])
	assert.Equal(t, next.ID, event["key_id"])
	assert.Equal(t, old.ID, event["replaces"])

	verify := func(text string) rampart.Denial {
		_, err := f.Verify(t.Context(), text, anywhere)
		return reason(err)
	}
	now = now.Add(time.Hour - time.Millisecond)
	assert.Empty(t, verify(oldText), "within the overlap")
	assert.Empty(t, verify(text))
	_, _, err = f.Rotate(t.Context(), old.ID, time.Hour)
	assert.Equal(t, apikey.KeyRotated, reason(err))
	now = now.Add(time.Millisecond)
	assert.Equal(t, apikey.KeyExpired, verify(oldText), "the overlap is over")
	assert.Empty(t, verify(text))
	_, _, err = f.Rotate(t.Context(), old.ID, time.Hour)
	assert.Equal(t, apikey.KeyExpired, reason(err))

	_, _, err = f.Rotate(t.Context(), next.ID, 0)
	require.NoError(t, err)
	assert.Equal(t, apikey.KeyExpired, verify(text), "no overlap: it ends at once")
	_, _, err = f.Rotate(t.Context(), "nobody", 0)
	assert.Equal(t, apikey.KeyUnknown, reason(err))
	_, _, err = f.Rotate(t.Context(), next.ID, -1)
	assert.EqualError(t, err, "apikey: negative overlap")
}

func TestARotationLengthensNoLife(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(c *apikey.Config) { c.Now = func() time.Time { return now } })
	old, oldText := f.make(t, func(k *apikey.Key) { k.Expires = now.Add(time.Minute) })
	next, secret, err := f.Rotate(t.Context(), old.ID, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, old.Expires, next.Expires, "what was granted until then is granted until then")
	now = now.Add(time.Minute)
	for _, text := range []string{oldText, secret.Reveal()} {
		_, err = f.Verify(t.Context(), text, anywhere)
		assert.Equal(t, apikey.KeyExpired, reason(err))
	}
}

func TestARotationThatLosesARaceSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		desc string
		do   func(apikey.Store, string) error
		want rampart.Denial
	}{
		{"to a revocation", func(s apikey.Store, id string) error { return s.Revoke(t.Context(), id, time.Now()) }, apikey.KeyRevoked},
		{"to another rotation", func(s apikey.Store, id string) error {
			return s.Rotate(t.Context(), id, time.Now().Add(time.Hour), apikey.Key{ID: "next"}, []byte("h"))
		}, apikey.KeyRotated},
		{"to an outage", func(s apikey.Store, id string) error {
			return errors.Join(s.Rotate(t.Context(), id, time.Now(), apikey.Key{ID: "next"}, []byte("h")))
		}, apikey.KeyUnavailable},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			f := newFixture(t)
			k, _ := f.make(t)
			f.store.before = func(string) {
				require.NoError(t, tt.do(f.store.Store, k.ID))
				f.store.broken.Store(tt.want == apikey.KeyUnavailable)
			}
			_, _, err := f.Rotate(t.Context(), k.ID, 0)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

func TestARevokedKeyStaysRevoked(t *testing.T) {
	f := newFixture(t)
	k, text := f.make(t)
	other, otherText := f.make(t)
	require.NoError(t, f.Revoke(t.Context(), k.ID))
	event := f.log.last(t)
	assert.Equal(t, "authn_token_revoked", event["event"])
	assert.Equal(t, "api_key", event["kind"])
	assert.Equal(t, k.ID, event["key_id"])
	require.NoError(t, f.Revoke(t.Context(), k.ID))
	_, err := f.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyRevoked, reason(err))
	_, _, err = f.Rotate(t.Context(), k.ID, time.Hour)
	assert.Equal(t, apikey.KeyRevoked, reason(err))
	assert.Equal(t, apikey.KeyUnknown, reason(f.Revoke(t.Context(), "nobody")))

	_, err = f.Verify(t.Context(), otherText, anywhere)
	require.NoError(t, err)
	n, err := f.RevokeOwner(t.Context(), "alice")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, other.ID, f.log.last(t)["key_id"])
	_, err = f.Verify(t.Context(), otherText, anywhere)
	assert.Equal(t, apikey.KeyRevoked, reason(err))
	_, err = f.RevokeOwner(t.Context(), "")
	assert.EqualError(t, err, "apikey: no owner")
}

func TestListHasPages(t *testing.T) {
	f := newFixture(t)
	for range 60 {
		f.make(t)
	}
	f.make(t, func(k *apikey.Key) { k.Owner = "bob" })
	page, err := f.List(t.Context(), apikey.Filter{Owner: "alice"})
	require.NoError(t, err)
	assert.Len(t, page, 50)
	rest, err := f.List(t.Context(), apikey.Filter{Owner: "alice", Cursor: page[49].ID})
	require.NoError(t, err)
	assert.Len(t, rest, 10)
	all, err := f.List(t.Context(), apikey.Filter{Limit: 100000})
	require.NoError(t, err)
	assert.Len(t, all, 61)
}

func TestAStoreThatFailsIsUnavailableNotARefusal(t *testing.T) {
	f := newFixture(t)
	k, text := f.make(t)
	f.store.broken.Store(true)
	ctx := t.Context()
	_, err := f.Verify(ctx, text, anywhere)
	require.ErrorIs(t, err, errDown)
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	assert.EqualError(t, err, `apikey: unavailable: key "`+k.ID+`": connection refused`)
	_, _, err = f.Create(ctx, apikey.Key{Name: "n"})
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	_, _, err = f.Rotate(ctx, k.ID, 0)
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	assert.Equal(t, apikey.KeyUnavailable, reason(f.Revoke(ctx, k.ID)))
	_, err = f.RevokeOwner(ctx, "alice")
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	_, err = f.List(ctx, apikey.Filter{})
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
}

func TestVerify(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(c *apikey.Config) { c.Now = func() time.Time { return now } })
	home := netip.MustParseAddr("203.0.113.7")
	k, text := f.make(t, func(k *apikey.Key) {
		k.Plan, k.Meta, k.Expires = "gold", map[string]string{"team": "billing"}, now.Add(time.Hour)
		k.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("fe80::/10")}
	})
	caller, err := f.Verify(t.Context(), text, home)
	require.NoError(t, err)
	assert.Equal(t, k.ID, caller.ID())
	assert.Equal(t, "import", caller.Name())
	assert.Equal(t, "alice", caller.Owner())
	assert.Equal(t, "gold", caller.Plan())
	assert.Equal(t, k.Expires, caller.Expires())
	assert.True(t, caller.HasScope("products:write"))
	assert.False(t, caller.HasScope("products"))
	assert.False(t, caller.HasScope(""))
	var scopes []string
	for s := range caller.Scopes() {
		scopes = append(scopes, s)
	}
	assert.Equal(t, []string{"products:write", "customers:read"}, scopes)
	team, ok := caller.Meta("team")
	assert.True(t, ok)
	assert.Equal(t, "billing", team)
	_, ok = caller.Meta("none")
	assert.False(t, ok)

	for addr, want := range map[string]rampart.Denial{"::ffff:203.0.113.7": "", "fe80::1%eth0": "", "198.51.100.1": apikey.KeyAddress} {
		_, err = f.Verify(t.Context(), text, netip.MustParseAddr(addr))
		assert.Equal(t, want, reason(err), addr)
	}
	_, err = f.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyAddress, reason(err), "an address that cannot be told")

	_, err = f.Verify(t.Context(), good+checksumOfGood, home)
	assert.Equal(t, apikey.KeyUnknown, reason(err))
	forged := prefix + "_" + k.ID + "_" + strings.Repeat("0", 30)
	forged += crc62(forged)
	_, err = f.Verify(t.Context(), forged, home)
	assert.Equal(t, apikey.KeyMismatch, reason(err))
	assert.EqualError(t, err, `apikey: mismatch: key "`+k.ID+`"`)

	now = now.Add(time.Hour)
	_, err = f.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyExpired, reason(err), "expired is told before the address")
	require.NoError(t, f.Revoke(t.Context(), k.ID))
	_, err = f.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyRevoked, reason(err), "revoked is told before expired")
	_, err = f.Verify(t.Context(), forged, anywhere)
	assert.Equal(t, apikey.KeyMismatch, reason(err), "a wrong secret learns nothing of the key")
}

func TestAGoodKeyCostsOneReadAndNoWrite(t *testing.T) {
	f := newFixture(t)
	_, text := f.make(t)
	f.store.writes.Store(0)
	_, err := f.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	assert.EqualValues(t, 1, f.store.lookups.Load())
	assert.Zero(t, f.store.writes.Load()+f.store.touches.Load())
}

func TestPeppers(t *testing.T) {
	first, second := bytes.Repeat([]byte("1"), 16), bytes.Repeat([]byte("2"), 32)
	store := &spyStore{Store: apikey.NewMemoryStore()}
	keys := func(peppers ...[]byte) (fixture, *records) {
		log := new(records)
		return newFixture(t, func(c *apikey.Config) { c.Store, c.Peppers, c.Logger = store, peppers, log.logger() }), log
	}
	hash := func(id string) string {
		_, h, err := store.Lookup(t.Context(), id)
		require.NoError(t, err)
		return string(h)
	}
	plain, _ := keys()
	k, text := plain.make(t)
	plainHash := hash(k.ID)

	only, _ := keys(first)
	_, err := only.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyMismatch, reason(err), "without an empty pepper, plain hashes are not accepted")

	both, log := keys(second, first, nil)
	store.broken.Store(false)
	_, err = both.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	assert.NotEqual(t, plainHash, hash(k.ID), "hashed anew on use")
	store.writes.Store(0)
	_, err = both.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	assert.Zero(t, store.writes.Load(), "once")
	newest, _ := keys(second)
	_, err = newest.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	assert.NotContains(t, log.String(), "sys_backend_unavailable")
}

func TestAHashThatCannotBeStoredAnewStopsNobody(t *testing.T) {
	inner := apikey.NewMemoryStore()
	old := newFixture(t, func(c *apikey.Config) { c.Store = inner })
	_, text := old.make(t)
	log := new(records)
	f := newFixture(t, func(c *apikey.Config) {
		c.Store, c.Logger = noUpdates{inner}, log.logger()
		c.Peppers = [][]byte{bytes.Repeat([]byte("1"), 16), nil}
	})
	_, err := f.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	assert.Contains(t, log.String(), "sys_backend_unavailable")
	assert.Contains(t, log.String(), "connection refused")
}

// noUpdates is a store that can be read but not written.
type noUpdates struct{ apikey.Store }

func (noUpdates) UpdateHash(_ context.Context, _ string, _, _ []byte) error { return errDown }

func TestConcurrentUseOfOneKey(t *testing.T) {
	f := newFixture(t, func(c *apikey.Config) { c.TouchEvery = time.Millisecond })
	k, text := f.make(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if _, err := f.Verify(t.Context(), text, anywhere); err != nil && reason(err) != apikey.KeyRevoked {
					t.Error(err)
				}
			}
		})
	}
	require.NoError(t, f.Revoke(t.Context(), k.ID))
	_, err := f.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyRevoked, reason(err))
	wg.Wait()
}

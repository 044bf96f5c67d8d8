package apikey_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
)

func withCache(c *apikey.Config) { c.CacheTTL = time.Minute }

// verified says why text is refused, and how often the store was read for it.
func (f fixture) verified(t *testing.T, text string) (rampart.Denial, int) {
	t.Helper()
	before := f.store.lookups.Load()
	caller, err := f.Verify(t.Context(), text, anywhere)
	if err == nil {
		assert.NotNil(t, caller)
	}
	return reason(err), int(f.store.lookups.Load() - before)
}

func expect(t *testing.T, f fixture, text string, want rampart.Denial, reads int, desc string) {
	t.Helper()
	why, n := f.verified(t, text)
	assert.Equal(t, want, why, desc)
	assert.Equal(t, reads, n, "reads: %s", desc)
}

func TestAWarmKeyCostsNoReadUntilItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, withCache)
		k, text := f.make(t)
		forged := prefix + "_" + k.ID + "_000000000000000000000000000000"
		forged += crc62(forged)
		expect(t, f, forged, apikey.KeyMismatch, 1, "a guess")
		expect(t, f, text, "", 1, "cold: a guess left nothing behind")
		for range 3 {
			expect(t, f, text, "", 0, "warm")
		}
		expect(t, f, forged, apikey.KeyMismatch, 1, "a guess at a warm key costs what one at an unknown key costs")
		expect(t, f, good+checksumOfGood, apikey.KeyUnknown, 1, "an unknown key")
		expect(t, f, good+checksumOfGood, apikey.KeyUnknown, 1, "an unknown key again: nothing is kept of it")
		expect(t, f, text, "", 0, "still warm")
		time.Sleep(time.Minute)
		expect(t, f, text, "", 1, "cold again")
	})
}

func TestARevocationCountsAtOnceHereAndWithinTheTimeElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here := newFixture(t, withCache)
		elsewhere := newFixture(t, withCache, func(c *apikey.Config) { c.Store = here.store })
		told := newFixture(t, withCache, func(c *apikey.Config) { c.Store = here.store })
		k, text := here.make(t)
		for _, f := range []fixture{here, elsewhere, told} {
			_, err := f.Verify(t.Context(), text, anywhere)
			require.NoError(t, err)
		}
		require.NoError(t, here.Revoke(t.Context(), k.ID))
		expect(t, here, text, apikey.KeyRevoked, 1, "here")
		expect(t, here, text, apikey.KeyRevoked, 0, "refused keys are kept, too")
		told.Invalidate(k.ID, "", "unknown")
		_, err := told.Verify(t.Context(), text, anywhere)
		assert.Equal(t, apikey.KeyRevoked, reason(err))
		_, err = elsewhere.Verify(t.Context(), text, anywhere)
		require.NoError(t, err, "not seen yet")
		time.Sleep(time.Minute)
		_, err = elsewhere.Verify(t.Context(), text, anywhere)
		assert.Equal(t, apikey.KeyRevoked, reason(err))
	})
}

func TestARotationAndAnOwnersRevocationCountAtOnce(t *testing.T) {
	f := newFixture(t, withCache)
	k, text := f.make(t)
	_, other := f.make(t)
	for _, text := range []string{text, other} {
		_, err := f.Verify(t.Context(), text, anywhere)
		require.NoError(t, err)
	}
	_, secret, err := f.Rotate(t.Context(), k.ID, 0)
	require.NoError(t, err)
	expect(t, f, text, apikey.KeyExpired, 1, "rotated without overlap")
	expect(t, f, secret.Reveal(), "", 1, "its successor")
	_, err = f.RevokeOwner(t.Context(), "alice")
	require.NoError(t, err)
	expect(t, f, secret.Reveal(), apikey.KeyRevoked, 1, "revoked with its owner")
	expect(t, f, other, apikey.KeyRevoked, 1, "another one of that owner")
}

// halfRevoked revokes an owner's keys and then reports a failure.
type halfRevoked struct{ apikey.Store }

func (s halfRevoked) RevokeOwner(ctx context.Context, owner string, at time.Time) ([]string, error) {
	_, err := s.Store.RevokeOwner(ctx, owner, at)
	return nil, errors.Join(err, errDown)
}

func TestAfterARevocationOfUnknownOutcomeNothingIsBelieved(t *testing.T) {
	f := newFixture(t, withCache, func(c *apikey.Config) { c.Store = halfRevoked{c.Store} })
	_, text := f.make(t)
	expect(t, f, text, "", 1, "cold")
	_, err := f.RevokeOwner(t.Context(), "alice")
	require.ErrorIs(t, err, errDown)
	expect(t, f, text, apikey.KeyRevoked, 1, "read again")
	plain := newFixture(t, func(c *apikey.Config) { c.Store = halfRevoked{c.Store} })
	_, err = plain.RevokeOwner(t.Context(), "alice")
	require.ErrorIs(t, err, errDown)
}

func TestAReadThatIsOlderThanARevocationIsNotKept(t *testing.T) {
	f := newFixture(t, withCache)
	k, text := f.make(t)
	f.store.after = func(string) { // the row is read, its verdict not yet kept
		f.store.after = nil
		require.NoError(t, f.Revoke(t.Context(), k.ID))
	}
	expect(t, f, text, "", 1, "asked before the revocation returned")
	expect(t, f, text, apikey.KeyRevoked, 1, "asked after it")
}

func TestExpiryIsHeldAgainstTheClockForWarmKeysToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, withCache)
		_, text := f.make(t, func(k *apikey.Key) { k.Expires = time.Now().Add(time.Second) })
		expect(t, f, text, "", 1, "cold")
		time.Sleep(time.Second)
		expect(t, f, text, apikey.KeyExpired, 0, "warm, but its time is over")
	})
}

func TestTheUseOfWarmKeysIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *apikey.Config) { c.CacheTTL = time.Hour })
		k, text := f.make(t)
		use := func() time.Time {
			expectNoError(t, f, text)
			return time.Now()
		}
		use()
		time.Sleep(5 * time.Minute)
		at := use()
		time.Sleep(59 * time.Second)
		use() // within the minute
		require.NoError(t, f.Close())
		got, _, err := f.store.Lookup(t.Context(), k.ID)
		require.NoError(t, err)
		assert.True(t, got.LastUsed.Equal(at))
	})
}

func expectNoError(t *testing.T, f fixture, text string) {
	t.Helper()
	_, err := f.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
}

func TestTheCacheIsBounded(t *testing.T) {
	f := newFixture(t, func(c *apikey.Config) {
		c.CacheTTL, c.TouchEvery, c.Logger = time.Hour, -1, slog.New(slog.DiscardHandler) // longer than this takes anywhere
	})
	const keys, room = 18_000, 16_384
	texts := make([]string, keys)
	for i := range texts {
		_, texts[i] = f.make(t)
		expectNoError(t, f, texts[i])
	}
	f.store.lookups.Store(0)
	for _, text := range texts {
		expectNoError(t, f, text)
	}
	assert.GreaterOrEqual(t, f.store.lookups.Load(), int64(keys-room), "more than there is room for cannot be warm")
	assert.Less(t, f.store.lookups.Load(), int64(keys))
}

func TestAWarmKeyCostsFewAllocations(t *testing.T) {
	f := newFixture(t, withCache)
	_, text := f.make(t)
	expectNoError(t, f, text)
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = f.Verify(t.Context(), text, anywhere) }), 2.0)
}

func TestRevocationsRaceWithWarmReads(t *testing.T) {
	f := newFixture(t, withCache)
	rounds := 200
	if os.Getenv("RAMPART_BARS") != "" {
		rounds = 10_000
	}
	for range rounds {
		k, text := f.make(t)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _, _ = f.Verify(context.Background(), text, anywhere) })
		}
		wg.Go(func() {
			assert.NoError(t, f.Revoke(context.Background(), k.ID))
			_, err := f.Verify(context.Background(), text, anywhere)
			assert.Equal(t, apikey.KeyRevoked, reason(err))
		})
		wg.Wait()
		_, err := f.Verify(t.Context(), text, anywhere)
		require.Equal(t, apikey.KeyRevoked, reason(err))
	}
}

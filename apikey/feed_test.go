package apikey_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
)

// bus is a feed that several Keys share, as instances of a service would.
type bus struct {
	mu    sync.Mutex
	down  bool
	subs  []func([]byte, time.Time)
	keeps []time.Duration
}

func (b *bus) Subscribe(_ string, apply func([]byte, time.Time)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = append(b.subs, apply)
}

func (b *bus) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errors.New("no route to host")
	}
	b.keeps = append(b.keeps, keep)
	for _, apply := range b.subs {
		apply(data, time.Now().Add(keep))
	}
	return ctx.Err()
}

func (b *bus) Age() time.Duration { return 0 }

// instances returns two Keys with caches on one store and one feed, and a key
// that both know.
func instances(t *testing.T) (b *bus, here, elsewhere fixture, k apikey.Key, text string) {
	t.Helper()
	b = new(bus)
	fed := func(c *apikey.Config) { c.Feed = b }
	here = newFixture(t, withCache, fed)
	elsewhere = newFixture(t, withCache, fed, func(c *apikey.Config) { c.Store = here.store })
	elsewhere.store = here.store
	k, text = here.make(t)
	for _, f := range []fixture{here, elsewhere} {
		_, err := f.Verify(t.Context(), text, anywhere)
		require.NoError(t, err)
	}
	return b, here, elsewhere, k, text
}

func refused(t *testing.T, f fixture, text string) rampart.Denial {
	t.Helper()
	_, err := f.Verify(t.Context(), text, anywhere)
	return reason(err)
}

func TestTheFeedTellsOtherInstances(t *testing.T) {
	tests := []struct {
		desc string
		do   func(t *testing.T, ks fixture, k apikey.Key)
		want rampart.Denial
	}{
		{"of a revoked key", func(t *testing.T, ks fixture, k apikey.Key) {
			require.NoError(t, ks.Revoke(t.Context(), k.ID))
		}, apikey.KeyRevoked},
		{"of a revoked key, though its revoker has hung up", func(t *testing.T, ks fixture, k apikey.Key) {
			ctx, hangUp := context.WithCancel(t.Context())
			hangUp()
			require.NoError(t, ks.Revoke(ctx, k.ID))
		}, apikey.KeyRevoked},
		{"of an owner's revoked keys", func(t *testing.T, ks fixture, k apikey.Key) {
			n, err := ks.RevokeOwner(t.Context(), k.Owner)
			require.NoError(t, err)
			assert.Equal(t, 1, n)
		}, apikey.KeyRevoked},
		{"of a rotated key", func(t *testing.T, ks fixture, k apikey.Key) {
			_, _, err := ks.Rotate(t.Context(), k.ID, 0)
			require.NoError(t, err)
		}, apikey.KeyExpired},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			b, here, elsewhere, k, text := instances(t)
			tt.do(t, here, k)
			assert.Equal(t, tt.want, refused(t, elsewhere, text))
			assert.Equal(t, []time.Duration{2 * time.Minute}, b.keeps, "longer than anything is cached")
		})
	}
}

func TestAnOwnersRevocationLeavesOtherKeysCached(t *testing.T) {
	b, here, elsewhere, _, text := instances(t)
	other, _, err := here.Create(t.Context(), apikey.Key{Name: "n", Owner: "somebody else"})
	require.NoError(t, err)
	_, err = here.RevokeOwner(t.Context(), other.Owner)
	require.NoError(t, err)
	expect(t, elsewhere, text, "", 0, "warm still")
	require.NoError(t, b.Publish(t.Context(), "", []byte("words of a later version"), time.Minute))
	expect(t, elsewhere, text, "", 1, "what is not understood forgets all")
}

// With the feed down the store has the revocation, here it counts, and the
// revoker learns that it may not have reached everybody.
func TestWithoutTheFeedOneLearnsThatOthersMayNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, here, elsewhere, k, text := instances(t)
		b.down = true
		assert.Equal(t, apikey.KeyUnavailable, reason(here.Revoke(t.Context(), k.ID)))
		n, err := here.RevokeOwner(t.Context(), k.Owner)
		assert.Equal(t, 0, n)
		assert.Equal(t, apikey.KeyUnavailable, reason(err))
		assert.Equal(t, apikey.KeyRevoked, refused(t, here, text))
		assert.Equal(t, rampart.Denial(""), refused(t, elsewhere, text))
		b.down = false
		require.NoError(t, here.Revoke(t.Context(), k.ID), "again")
		assert.Equal(t, apikey.KeyRevoked, refused(t, elsewhere, text))
	})
}

// Nobody tells the others, so what they have cached lasts for its time and no
// longer, however often it is used.
func TestWithoutTheFeedTheCacheTimeBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = time.Minute // of withCache
		b, here, elsewhere, k, text := instances(t)
		b.down = true
		require.Error(t, here.Revoke(t.Context(), k.ID))
		for range 4 {
			time.Sleep(ttl/4 - time.Millisecond)
			assert.Equal(t, rampart.Denial(""), refused(t, elsewhere, text), "cached")
		}
		time.Sleep(4 * time.Millisecond)
		assert.Equal(t, apikey.KeyRevoked, refused(t, elsewhere, text))
	})
}

func TestARotationHandsOutItsSecretThoughTheFeedIsDown(t *testing.T) {
	b, here, elsewhere, k, text := instances(t)
	b.down = true
	_, secret, err := here.Rotate(t.Context(), k.ID, 0)
	require.NoError(t, err)
	assert.Contains(t, here.log.String(), "sys_backend_unavailable")
	assert.Equal(t, rampart.Denial(""), refused(t, elsewhere, secret.Reveal()))
	assert.Equal(t, rampart.Denial(""), refused(t, elsewhere, text), "as long as it was cached for")
}

func TestInstancesWithoutACacheTellOthersToo(t *testing.T) {
	b, here, elsewhere, k, text := instances(t)
	plain := newFixture(t, func(c *apikey.Config) { c.Feed, c.Store = b, here.store })
	require.NoError(t, plain.Revoke(t.Context(), k.ID))
	assert.Equal(t, apikey.KeyRevoked, refused(t, elsewhere, text))
	_, err := plain.RevokeOwner(t.Context(), k.Owner)
	require.NoError(t, err)
}

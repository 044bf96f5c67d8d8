package apikey_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/apikey"
)

func TestLastUsedIsWrittenInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		k, text := f.make(t)
		_, otherText := f.make(t)
		use := func(text string) {
			_, err := f.Verify(t.Context(), text, anywhere)
			require.NoError(t, err)
		}
		lastUsed := func() time.Time {
			k, _, err := f.store.Lookup(t.Context(), k.ID)
			require.NoError(t, err)
			return k.LastUsed
		}
		time.Sleep(time.Hour)
		for range 10 {
			use(text)
			use(otherText)
		}
		time.Sleep(30 * time.Second)
		use(text)
		at := time.Now()
		assert.Zero(t, f.store.touches.Load())
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 1, f.store.touches.Load(), "one write for all keys")
		assert.True(t, lastUsed().Equal(at))

		time.Sleep(29 * time.Second)
		use(text)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 1, f.store.touches.Load(), "used within the last minute: not worth a write")

		use(text)
		at = time.Now()
		require.NoError(t, f.Close())
		assert.True(t, lastUsed().Equal(at), "Close writes what is pending")
		time.Sleep(time.Hour)
		use(text)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.NoError(t, f.Close())
		assert.EqualValues(t, 2, f.store.touches.Load(), "nothing is written after Close")
	})
}

func TestLastUsedCanBeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *apikey.Config) { c.TouchEvery = -1 })
		_, text := f.make(t)
		_, err := f.Verify(t.Context(), text, anywhere)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Zero(t, f.store.touches.Load())
	})
}

func TestLastUsedSurvivesAnOutageOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		k, text := f.make(t)
		_, err := f.Verify(t.Context(), text, anywhere)
		require.NoError(t, err)
		at := time.Now()
		f.store.broken.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.EqualValues(t, 1, f.store.touches.Load())
		assert.Equal(t, "sys_backend_unavailable", f.log.last(t)["event"])
		f.store.broken.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		got, _, err := f.store.Lookup(t.Context(), k.ID)
		require.NoError(t, err)
		assert.True(t, got.LastUsed.Equal(at))
	})
}

// slowStore holds up Touch until it may go on.
type slowStore struct {
	apikey.Store
	release chan struct{}
}

func (s slowStore) Touch(ctx context.Context, used map[string]time.Time) error {
	<-s.release
	return s.Store.Touch(ctx, used)
}

func TestCloseWaitsForAWriteUnderWayButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newFixture(t, func(c *apikey.Config) { c.Store = slowStore{c.Store, release} })
		_, text := f.make(t)
		_, err := f.Verify(t.Context(), text, anywhere)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		synctest.Wait() // the timer's write hangs now
		began := time.Now()
		require.ErrorIs(t, f.Close(), context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, time.Since(began))
		close(release)
		require.NoError(t, f.Close())
		assert.EqualValues(t, 1, f.store.touches.Load())
	})
}

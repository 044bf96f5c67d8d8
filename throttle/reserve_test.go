package throttle_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

func TestAReservedChargeIsGivenBackOnce(t *testing.T) {
	for _, alg := range []throttle.Algorithm{throttle.SlidingWindow, throttle.TokenBucket} {
		synctest.Test(t, func(t *testing.T) {
			policy := anon(perHour(5))
			policy.Algorithm = alg
			l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{policy}, Logger: quiet()})
			remaining := func() int {
				res, err := l.Peek(t.Context(), "anon", "k")
				require.NoError(t, err)
				return res.Remaining
			}
			d, refund, err := l.Reserve(t.Context(), "anon", "k", 3)
			require.NoError(t, err)
			assert.Equal(t, 2, d.Results[0].Remaining)
			_, err = l.Take(t.Context(), "anon", "k", 1)
			require.NoError(t, err)
			refund(t.Context())
			assert.Equal(t, 4, remaining())
			refund(t.Context())
			assert.Equal(t, 4, remaining(), "the second time does nothing")

			for _, cost := range []int{0, 5} {
				_, refund, err = l.Reserve(t.Context(), "anon", "k", cost)
				assert.Error(t, err)
				assert.Nil(t, refund)
			}
			assert.Equal(t, 4, remaining(), "what was refused was not charged")
		})
	}
}

func TestAReservedChargeIsGivenBackToWhereItWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store, _ := remote(t, rampart.FallBack, anon(perHour(2)))
		_, inStore, err := l.Reserve(t.Context(), "anon", "k", 2)
		require.NoError(t, err)
		store.err = errDown
		_, here, err := l.Reserve(t.Context(), "anon", "k", 1) // the share of two replicas
		require.NoError(t, err)
		here(t.Context())
		assert.Zero(t, store.gave)
		_, err = l.Take(t.Context(), "anon", "k", 1)
		require.NoError(t, err)
		store.err = nil
		inStore(t.Context())
		_, err = l.Take(t.Context(), "anon", "k", 2)
		assert.NoError(t, err)

		open, store, _ := remote(t, rampart.FailOpen, anon(perHour(2)))
		store.err = errDown
		_, nowhere, err := open.Reserve(t.Context(), "anon", "k", 1)
		require.NoError(t, err)
		nowhere(t.Context())
		assert.Zero(t, store.gave)
	})
}

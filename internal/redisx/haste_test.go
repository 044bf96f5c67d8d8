package redisx_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/redisx"
)

// answersIn returns a healthy server's client, whose answer takes a millisecond,
// once *down is false.
func answersIn(down *bool) redisx.DoFunc {
	return func(ctx context.Context, _ ...any) (any, error) {
		if *down {
			return nil, context.DeadlineExceeded
		}
		select {
		case <-time.After(time.Millisecond):
			return "ok", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func TestTheDeadlineOfACallerDoesNotOpenTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := redisx.New(answersIn(new(bool)), 400*time.Millisecond, "", nil)
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Microsecond)
			_, err := c.Do(ctx, "GET", "k")
			cancel()
			require.Error(t, err)
		}
		_, err := c.Do(t.Context(), "GET", "k")
		require.NoError(t, err)
	})
}

func TestWhoGivesUpOrIsInAHurryDoesNotUseUpTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		c := redisx.New(answersIn(&down), 400*time.Millisecond, "", nil)
		for range 5 {
			_, _ = c.Do(t.Context(), "GET", "k")
		}
		_, err := c.Do(t.Context(), "GET", "k")
		require.ErrorIs(t, err, redisx.ErrOpen)
		down = false
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Microsecond)
		_, err = c.Do(ctx, "GET", "k")
		cancel()
		require.ErrorIs(t, err, redisx.ErrOpen, "in a hurry")
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(500*time.Microsecond, cancel)
		_, _ = c.Do(ctx, "GET", "k") // it probes, and its client leaves
		_, err = c.Do(t.Context(), "GET", "k")
		require.NoError(t, err)
	})
}

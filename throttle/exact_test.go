package throttle_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
)

// TestAWindowPassesExactlyItsCount: a fresh window lets its count pass, one unit or
// many at a time, tells the rest of it to the unit, and does the same again after
// one period.
func TestAWindowPassesExactlyItsCount(t *testing.T) {
	for _, count := range []int{1, 2, 15, 16, 17, 50, 51, 100, 1000, 4095, 4096, 4097, 8191, 100_000, 1_000_000, 1<<31 - 1} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := throttle.NewMemory(1)
				it := throttle.Item{Policy: "p", Key: "k", Rate: throttle.Rate{Count: count, Period: time.Hour}}
				for range 2 {
					for left := count; left > 0; {
						it.Cost = 1
						if left < count-3000 && left > 3000 { // a jump over the middle of a large count
							it.Cost = max(left/3, 1)
						}
						left -= it.Cost
						ok, res := take(t, m, it)
						if !ok || res.Remaining != left {
							t.Fatalf("got %t and %d left; want %d left", ok, res.Remaining, left)
						}
					}
					it.Cost = 1
					ok, res := take(t, m, it)
					require.False(t, ok)
					require.Equal(t, time.Hour, res.RetryAfter)
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

// TestACountOverAWholePeriodIsExact: units that come in one by one, spread over many
// cells, add up to the count.
func TestACountOverAWholePeriodIsExact(t *testing.T) {
	for _, count := range []int{17, 4096, 1_000_000, 1<<31 - 1} {
		synctest.Test(t, func(t *testing.T) {
			m, rate := throttle.NewMemory(1), throttle.Rate{Count: count, Period: time.Hour}
			left := count
			for range 50 {
				cost := min(count/49, left)
				if cost == 0 {
					break
				}
				left -= cost
				ok, res := take(t, m, throttle.Item{Policy: "p", Key: "k", Rate: rate, Cost: cost})
				require.True(t, ok, "%d: %d left", count, left)
				require.Equal(t, left, res.Remaining)
				time.Sleep(time.Minute)
			}
			if left > 0 {
				ok, res := take(t, m, throttle.Item{Policy: "p", Key: "k", Rate: rate, Cost: left})
				require.True(t, ok, "%d: %d left", count, left)
				require.Zero(t, res.Remaining)
			}
			ok, _ := take(t, m, throttle.Item{Policy: "p", Key: "k", Rate: rate, Cost: 1})
			require.False(t, ok)
		})
	}
}

// TestAUnitOfALargeCountIsGivenBackAlone: where units are kept in lots, one that is
// given back is one, in the newest cell and in an older one, and a window that has
// got all back is as new.
func TestAUnitOfALargeCountIsGivenBackAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rate := throttle.NewMemory(1), throttle.Rate{Count: 1_000_000, Period: time.Hour}
		it := throttle.Item{Policy: "p", Key: "k", Rate: rate, Cost: 700}
		_, first := take(t, m, it)
		time.Sleep(10 * time.Minute)
		it.Cost = 300
		_, second := take(t, m, it)
		give := func(cost int, at int64) int {
			it.Cost, it.At = cost, at
			require.NoError(t, m.Give(t.Context(), []throttle.Item{it}))
			it.Cost = 0
			_, res := take(t, m, it)
			return res.Remaining
		}
		require.Equal(t, 999_001, give(1, second.At))
		require.Equal(t, 999_002, give(1, first.At))
		require.Equal(t, 999_301, give(299, second.At))
		time.Sleep(50*time.Minute - 1)
		it.Cost = 0
		_, old := take(t, m, it)
		require.Equal(t, 999_301, old.Remaining)

		it.Key, it.Cost = "few", 100 // less than a lot
		take(t, m, it)
		it.Cost = 1_000_000
		ok, res := take(t, m, it)
		require.False(t, ok)
		require.Equal(t, time.Hour, res.RetryAfter, "also what is no lot has to leave")

		it.Key = "all"
		it.Cost = 700
		_, first = take(t, m, it)
		require.Equal(t, 1_000_000, give(700, first.At))
		_, res = take(t, m, it)
		require.Zero(t, res.ResetAfter, "it is as new")
	})
}

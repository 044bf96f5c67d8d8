package throttle_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/ecolaura/rampart/throttle"
)

func TestATokenBucketDecidesAsXTimeRateDoes(t *testing.T) {
	steps := 40_000
	if bars() {
		steps = 4_000_000
	}
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(5, 6))
		for done := 0; done < steps; done += 1000 {
			r := throttle.Rate{
				Count:  1 + rnd.IntN(1000),
				Period: []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}[rnd.IntN(4)],
				Burst:  rnd.IntN(100),
			}
			m := throttle.NewMemory(1)
			it := throttle.Item{Policy: "p", Key: "k", Rate: r, Algorithm: throttle.TokenBucket}
			burst := r.Burst
			if burst == 0 {
				burst = r.Count
			}
			oracle := rate.NewLimiter(r.Limit(), burst)
			for step := range 1000 {
				time.Sleep(time.Duration(rnd.ExpFloat64() * float64(r.Period) / float64(r.Count)))
				it.Cost = 1 + rnd.IntN(3)
				want := oracle.AllowN(time.Now(), it.Cost)
				got, res := take(t, m, it)
				require.Equal(t, want, got, "step %d of %v: %+v", step, r, res)
				require.InDelta(t, oracle.Tokens(), float64(res.Remaining), 1.000001)
			}
		}
	})
}

// A third of a second is no whole number of nanoseconds: the thirds add up.
func TestATokenComesBackInTheNanosecondInWhichItIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := throttle.NewMemory(1)
		it := throttle.Item{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 3, Period: time.Second}, Algorithm: throttle.TokenBucket, Cost: 1}
		for range 3 {
			ok, _ := take(t, m, it)
			require.True(t, ok)
		}
		for _, wait := range []time.Duration{333_333_332, 333_333_332, 333_333_333} {
			time.Sleep(wait)
			ok, _ := take(t, m, it)
			require.False(t, ok, "too early")
			time.Sleep(time.Nanosecond)
			ok, _ = take(t, m, it)
			require.True(t, ok, "in time")
		}
	})
}

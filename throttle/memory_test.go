package throttle_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttletest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	for _, keys := range []int{0, 1} {
		t.Run(fmt.Sprint(keys, " keys"), func(t *testing.T) {
			throttletest.TestStore(t, func(testing.TB) throttle.Store { return throttle.NewMemory(keys) })
		})
	}
}

func algorithms(t *testing.T, run func(*testing.T, throttle.Algorithm)) {
	t.Helper()
	for _, a := range throttle.Algorithms() {
		t.Run(a.String(), func(t *testing.T) { run(t, a) })
	}
}

func TestAThousandOfSixtyFourThousandPass(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		m := throttle.NewMemory(0)
		var passed atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				items := []throttle.Item{{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 1000, Period: 24 * time.Hour}, Algorithm: a, Cost: 1}}
				out := make([]throttle.Result, 1)
				for range 1000 {
					if ok, _ := m.Take(t.Context(), items, out); ok {
						passed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1000, passed.Load())
	})
}

func TestAMemoryHoldsWhatItHasRoomFor(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		const keys = 20_000
		m := throttle.NewMemory(keys)
		it := throttle.Item{Policy: "p", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Algorithm: a, Cost: 1}
		for i := range keys {
			it.Key = strconv.Itoa(i)
			take(t, m, it)
		}
		it.Cost = 0
		lost := 0
		for i := range keys {
			it.Key = strconv.Itoa(i)
			if _, res := take(t, m, it); res.Remaining != 99 {
				lost++
			}
		}
		assert.LessOrEqual(t, lost, keys/100, "keys dropped from a table that has room for them")
	})
}

// TestAFloodGivesNoLimitedCallerAFreshStart: in a full table, keys that owe
// little make room for each other, and a key that is being limited stays.
func TestAFloodGivesNoLimitedCallerAFreshStart(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		synctest.Test(t, func(t *testing.T) {
			m := throttle.NewMemory(64)
			it := throttle.Item{Policy: "p", Rate: throttle.Rate{Count: 20, Period: time.Hour}, Algorithm: a, Cost: 20}
			it.Key = "limited"
			take(t, m, it)
			it.Cost = 19
			it.Key = "nearly limited"
			take(t, m, it)
			it.Cost = 1
			time.Sleep(time.Minute)
			for i := range 10_000 {
				it.Key = fmt.Sprint("flood ", i)
				ok, res := take(t, m, it)
				require.True(t, ok)
				require.False(t, res.Overflow)
			}
			it.Key = "limited"
			ok, _ := take(t, m, it)
			assert.False(t, ok, "who is limited stays")
			it.Key, it.Cost = "nearly limited", 0
			_, res := take(t, m, it)
			assert.LessOrEqual(t, res.Remaining, 2, "who owes much is kept before who owes little")
		})
	})
}

// TestPeriodsAreComparedByTheShareOfTheLimitThatIsUsed: one request of 100 a day
// takes longer to come back than four of 5 a minute, but is the smaller share.
func TestPeriodsAreComparedByTheShareOfTheLimitThatIsUsed(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		synctest.Test(t, func(t *testing.T) {
			m := throttle.NewMemory(2000)
			out := make([]throttle.Result, 2)
			passes := func(key string) bool {
				ok, err := m.Take(t.Context(), []throttle.Item{
					{Policy: "minute", Key: key, Rate: throttle.Rate{Count: 5, Period: time.Minute}, Algorithm: a, Cost: 1},
					{Policy: "day", Key: key, Rate: throttle.Rate{Count: 100, Period: 24 * time.Hour}, Algorithm: a, Cost: 1},
				}, out)
				require.NoError(t, err)
				return ok
			}
			passed := 0
			for i := range 14 {
				if passes("caller") {
					passed++
				}
				if i != 3 {
					continue
				}
				for other := range 20_000 {
					require.True(t, passes(strconv.Itoa(other)), "a stranger among many is served")
				}
			}
			assert.Equal(t, 5, passed)
		})
	})
}

// TestWhoIsRefusedADearRequestIsLimited: 95 of 100 used, a cost of 10 refused.
// Others who use up all that they have do not take the slot, not even after a
// cheap request was let pass.
func TestWhoIsRefusedADearRequestIsLimited(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		for _, count := range []int{16, 100} {
			for desc, others := range map[string][]throttle.Item{
				"alone":               nil,
				"with another policy": {{Policy: "q", Key: "caller", Rate: perHour(1000), Algorithm: a, Cost: 1}},
			} {
				t.Run(fmt.Sprint(count, " ", desc), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						m := throttle.NewMemory(1)
						ask := func(key string, cost int) (bool, throttle.Result) {
							items := append([]throttle.Item{{Policy: "p", Key: key, Rate: perHour(count), Algorithm: a, Cost: cost}}, others...)
							out := make([]throttle.Result, len(items))
							ok, err := m.Take(t.Context(), items, out)
							require.NoError(t, err)
							return ok, out[0]
						}
						fill := func(from int) { // more than there are slots
							for i := range 100 {
								_, res := ask(fmt.Sprint(from+i), count)
								if res.Overflow {
									return
								}
							}
							t.Error("the table was never full")
						}
						ask("caller", count-5)
						ok, refused := ask("caller", 10)
						require.False(t, ok)
						fill(0)
						ok, res := ask("caller", 10)
						assert.False(t, ok)
						assert.Equal(t, 5, res.Remaining, "no fresh start")
						assert.False(t, res.Overflow)
						ok, _ = ask("caller", 1)
						assert.True(t, ok)
						fill(100)
						ok, res = ask("caller", 10)
						assert.False(t, ok)
						assert.Equal(t, 4, res.Remaining, "no fresh start after a cheap request either")
						assert.False(t, res.Overflow)

						time.Sleep(refused.RetryAfter + time.Hour/2)
						ok, _ = ask("another", 1)
						assert.True(t, ok, "who may go again makes room")
					})
				})
			}
		}
	})
}

// TestNoRefusalIsForgotten sends random callers of several policies and costs
// through a table that is much too small: who was told to wait waits so long.
func TestNoRefusalIsForgotten(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		synctest.Test(t, func(t *testing.T) {
			rnd, m := rand.New(rand.NewPCG(9, 10)), throttle.NewMemory(1)
			policies := []throttle.Item{
				{Policy: "second", Rate: throttle.Rate{Count: 3, Period: time.Second}},
				{Policy: "minute", Rate: throttle.Rate{Count: 16, Period: time.Minute}},
				{Policy: "another", Rate: throttle.Rate{Count: 100, Period: time.Minute}},
			}
			type refusal struct {
				cost  int
				until time.Time
			}
			refused := map[string]refusal{}
			kept, fresh := 0, 0
			for range 50_000 {
				time.Sleep(time.Duration(rnd.ExpFloat64() * float64(2*time.Millisecond)))
				it := policies[rnd.IntN(len(policies))]
				it.Algorithm, it.Key, it.Cost = a, strconv.Itoa(int(rnd.ExpFloat64()*30)), 1+rnd.IntN(it.Rate.Count/3)
				ok, res := take(t, m, it)
				name := it.Policy + it.Key
				earlier, known := refused[name]
				switch left := time.Until(earlier.until); {
				case known && left > time.Millisecond && it.Cost >= earlier.cost: // a float32 rounds
					require.False(t, ok && !res.Overflow, "%v passes %v early", it, left)
					require.False(t, res.Overflow, "%v is forgotten %v early", it, left)
					kept++
				case !known && !res.Overflow:
					fresh++
				}
				if !ok && !res.Overflow {
					refused[name] = refusal{it.Cost, time.Now().Add(res.RetryAfter)}
				}
			}
			assert.Greater(t, kept, 1000)
			assert.Greater(t, fresh, 100)
		})
	})
}

func TestWhenAllAreLimitedNewcomersShareABucket(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		synctest.Test(t, func(t *testing.T) {
			m := throttle.NewMemory(1) // a few rows of slots
			it := throttle.Item{Policy: "p", Rate: throttle.Rate{Count: 3, Period: time.Hour}, Algorithm: a, Cost: 3}
			limited := 0
			overflow := false
			for i := 0; !overflow; i++ {
				it.Key = fmt.Sprint("k", i)
				ok, res := take(t, m, it)
				require.True(t, ok)
				overflow = res.Overflow
				if !overflow {
					limited++
				}
			}
			assert.Positive(t, limited)
			it.Cost = 1
			it.Key = "another"
			ok, res := take(t, m, it)
			assert.False(t, ok, "the shared bucket is empty too")
			assert.True(t, res.Overflow)
			it.Key = "k0"
			ok, res = take(t, m, it)
			assert.False(t, ok, "who was limited still is")
			assert.False(t, res.Overflow)

			// Together with another policy: looked at, not charged.
			other := it
			other.Policy, other.Key, it.Key = "q", "x", "another"
			out := make([]throttle.Result, 2)
			ok, err := m.Take(t.Context(), []throttle.Item{other, it}, out)
			require.NoError(t, err)
			assert.False(t, ok)
			assert.True(t, out[1].Overflow)
			assert.Positive(t, out[1].RetryAfter)

			it.At = out[1].At
			require.NoError(t, m.Give(t.Context(), []throttle.Item{it}), "the shared bucket gives nothing back")
			ok, _ = take(t, m, it)
			assert.False(t, ok)

			time.Sleep(time.Hour)
			ok, res = take(t, m, it)
			assert.True(t, ok)
			assert.False(t, res.Overflow, "slots are free again")
		})
	})
}

func TestTheNumberOfSharedBucketsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := throttle.NewMemory(1)
		it := throttle.Item{Policy: "p", Rate: throttle.Rate{Count: 1, Period: time.Hour}, Cost: 1}
		refused := 0
		for i := range 1200 {
			it.Rate.Period, it.Key = time.Hour+time.Duration(i), fmt.Sprint(i)
			ok, res := take(t, m, it)
			if !ok {
				refused++
				assert.True(t, res.Overflow)
				assert.Positive(t, res.RetryAfter)
			}
		}
		assert.Greater(t, refused, 100)
		assert.Less(t, refused, 180)

		time.Sleep(2 * time.Hour)
		for i := range 100 { // fill the slots again, then newcomers
			it.Rate.Period, it.Key = 2*time.Hour+time.Duration(i), fmt.Sprint(i)
			ok, _ := take(t, m, it)
			assert.True(t, ok, "buckets that are full again make room")
		}
	})
}

func TestTwoItemsOfOneBucketPassOnlyTogether(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		m := throttle.NewMemory(1)
		it := throttle.Item{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 3, Period: time.Hour}, Algorithm: a, Cost: 2}
		out := make([]throttle.Result, 2)
		ok, err := m.Take(t.Context(), []throttle.Item{it, it}, out)
		require.NoError(t, err)
		assert.False(t, ok)
		it.Cost = 0
		_, res := take(t, m, it)
		assert.Equal(t, 3, res.Remaining, "the first charge was taken back")
	})
}

func TestTheZeroMemoryRefuses(t *testing.T) {
	var m throttle.Memory
	ok, res := take(t, &m, throttle.Item{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 3, Period: time.Hour}, Cost: 1})
	assert.False(t, ok)
	assert.Equal(t, throttle.Never, res.RetryAfter)
	require.NoError(t, m.Give(t.Context(), []throttle.Item{{}}))
	require.NoError(t, m.Reset(t.Context(), "p", "k"))
}

func TestTheNamesOfAlgorithms(t *testing.T) {
	assert.Equal(t, "SlidingWindow", throttle.SlidingWindow.String())
	assert.Equal(t, "TokenBucket", throttle.TokenBucket.String())
	assert.Equal(t, "unknown", throttle.Algorithm(9).String())
}

func TestACostThatNeedsTheWholeWindowWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := throttle.NewMemory(1)
		it := throttle.Item{Policy: "p", Key: "k", Rate: perHour(10_008), Cost: 3}
		take(t, m, it)
		it.Cost = 10_008
		ok, res := take(t, m, it)
		assert.False(t, ok)
		assert.Equal(t, time.Hour, res.RetryAfter)
		time.Sleep(time.Hour)
		ok, res = take(t, m, it)
		assert.True(t, ok)
		assert.Zero(t, res.Remaining)
	})
}

func TestWhatHasComeBackByItselfIsNotGivenAgain(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		synctest.Test(t, func(t *testing.T) {
			for _, count := range []int{7, 100} {
				m := throttle.NewMemory(1)
				it := throttle.Item{Policy: "p", Key: "k", Rate: perHour(count), Algorithm: a, Cost: count}
				_, first := take(t, m, it)
				time.Sleep(time.Hour)
				it.At = first.At
				require.NoError(t, m.Give(t.Context(), []throttle.Item{it}))
				ok, second := take(t, m, it)
				assert.True(t, ok)
				require.NoError(t, m.Give(t.Context(), []throttle.Item{it}), "the first, once more")
				it.At = second.At
				require.NoError(t, m.Give(t.Context(), []throttle.Item{it}))
				require.NoError(t, m.Give(t.Context(), []throttle.Item{it}))
				it.Cost = 0
				_, res := take(t, m, it)
				assert.Equal(t, count, res.Remaining)
			}
			m := throttle.NewMemory(1)
			thirds := throttle.Item{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 7, Period: time.Second}, Algorithm: a, Cost: 2}
			_, first := take(t, m, thirds)
			thirds.Cost = 5
			take(t, m, thirds)
			thirds.Cost, thirds.At = 2, first.At
			require.NoError(t, m.Give(t.Context(), []throttle.Item{thirds}))
			ok, res := take(t, m, thirds)
			assert.True(t, ok, "in fractions of a nanosecond too")
			assert.Zero(t, res.Remaining)
		})
	})
}

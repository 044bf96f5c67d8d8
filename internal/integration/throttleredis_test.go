package integration_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
	"github.com/ecolaura/rampart/throttle/throttletest"
)

func openThrottle(t testing.TB, do throttleredis.DoFunc, cfg throttleredis.Config) *throttleredis.Store {
	t.Helper()
	store, err := throttleredis.New(do, cfg)
	require.NoError(t, err)
	return store
}

func TestThrottleRedisKeepsTheContractThroughEachClient(t *testing.T) {
	for _, client := range redisClients() {
		for name, denyFor := range map[string]time.Duration{"refusals are remembered": 0, "each is asked about": -1} {
			t.Run(client.name+"/"+name, func(t *testing.T) {
				openRedis(t)
				do := client.open(t, redisAddr())
				throttletest.TestStore(t, func(t testing.TB) throttle.Store {
					_, prefix := redisPrefix(t)
					return openThrottle(t, do, throttleredis.Config{Prefix: prefix, DenyFor: denyFor})
				})
			})
		}
	}
}

// TestThrottleRedisDecidesAsTheOraclesDo runs random callers against a real
// server, whose own time of each charge is what the oracles go by.
func TestThrottleRedisDecidesAsTheOraclesDo(t *testing.T) {
	t.Parallel() // most of it is waiting
	client, prefix := redisPrefix(t)
	store := openThrottle(t, redisClients()[0].open(t, client.Options().Addr), throttleredis.Config{Prefix: prefix, DenyFor: -1})
	steps := 400
	if os.Getenv("RAMPART_BARS") != "" {
		steps = 20_000
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	take := func(it throttle.Item) (bool, throttle.Result) {
		out := make([]throttle.Result, 1)
		ok, err := store.Take(t.Context(), []throttle.Item{it}, out)
		require.NoError(t, err)
		return ok, out[0]
	}
	for _, count := range []int{1, 5, 16, 17, 100, 300} {
		r := throttle.Rate{Count: count, Period: 60 * time.Millisecond}
		var charges []int64 // the server's microseconds, one for each unit
		live := func(now int64) (n int) {
			for i := len(charges) - 1; i >= 0 && now-charges[i] < r.Period.Microseconds(); i-- {
				n++
			}
			return n
		}
		passed, possible, ideal := 0, 0, []int64{}
		// Where a window may refuse early, few units say little of how often it does.
		for n := 0; n < steps || count > 16 && possible < 1500; n++ {
			if rnd.IntN(3) == 0 {
				time.Sleep(time.Duration(rnd.ExpFloat64() * float64(r.Period) / float64(count)))
			}
			it := throttle.Item{Policy: "w", Key: "k", Rate: r, Cost: 1 + rnd.IntN(min(count, 3))}
			ok, res := take(it)
			now := res.At
			if count <= 16 {
				require.Equal(t, live(now)+it.Cost <= count, ok, "exact up to 16")
			}
			if ok {
				for range it.Cost {
					charges = append(charges, now)
				}
				passed += it.Cost
			}
			require.LessOrEqual(t, live(now), count)
			require.LessOrEqual(t, res.Remaining, count-live(now))
			for len(ideal) > 0 && now-ideal[0] >= r.Period.Microseconds() {
				ideal = ideal[1:]
			}
			if len(ideal)+it.Cost <= count {
				possible += it.Cost
				for range it.Cost {
					ideal = append(ideal, now)
				}
			}
		}
		assert.GreaterOrEqual(t, float64(passed), 0.97*float64(possible), "count %d", count)
		t.Logf("count %d: %d of %d", count, passed, possible)
	}
	for range 6 {
		r := throttle.Rate{Count: 1 + rnd.IntN(1000), Period: time.Duration(1+rnd.IntN(300)) * time.Millisecond, Burst: 1 + rnd.IntN(100)}
		it := throttle.Item{Policy: "b", Key: "k", Rate: r, Algorithm: throttle.TokenBucket}
		oracle := rate.NewLimiter(r.Limit(), r.Burst)
		for range steps {
			if rnd.IntN(3) == 0 {
				time.Sleep(time.Duration(rnd.ExpFloat64() * float64(r.Period) / float64(r.Count)))
			}
			it.Cost = 1 + rnd.IntN(min(3, r.Burst))
			ok, res := take(it)
			now := time.UnixMicro(res.At)
			tokens := oracle.TokensAt(now)
			if ok != oracle.AllowN(now, it.Cost) { // they round a microsecond differently
				require.InDelta(t, float64(it.Cost), tokens, 2e-6*float64(r.Limit())+1e-6, "%v: %t with %f", r, ok, tokens)
				oracle = rate.NewLimiter(r.Limit(), r.Burst)
				oracle.AllowN(now, r.Burst-res.Remaining)
			}
			require.InDelta(t, oracle.TokensAt(now), float64(res.Remaining), 1.001)
		}
	}
}

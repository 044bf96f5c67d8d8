package integration_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// clockedRedis is a server whose scripts see the clock of the test, so that days pass
// between two calls. Nothing else of the scripts is changed.
type clockedRedis struct {
	do   throttleredis.DoFunc
	now  int64             // microseconds
	shas map[string]string // of the script with the clock, by that of the script
}

func (c *clockedRedis) Do(ctx context.Context, args ...any) (any, error) {
	args = append(args, strconv.FormatInt(c.now, 10)) // behind the arguments of the script
	switch args[0] {
	case "EVALSHA":
		sha, known := c.shas[args[1].(string)]
		if !known {
			return nil, errors.New("NOSCRIPT No matching script.") // the server may know it, with its own clock
		}
		args[1] = sha
	case "EVAL":
		text := args[1].(string)
		clocked := strings.Replace(text, "call('TIME')", "{0, ARGV[#KEYS + 1]}", 1)
		clocked = strings.ReplaceAll(clocked, "/ 1000), 1)", "/ 1000), 60000)") // the server forgets by its own clock
		if clocked == text {
			return nil, fmt.Errorf("a script without a clock: %s", text)
		}
		c.shas[shaOf(text)] = shaOf(clocked)
		args[1] = clocked
	default:
		args = args[:len(args)-1]
	}
	return c.do(ctx, args...)
}

func shaOf(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// step is a call of a schedule, and what a Memory answers.
type step struct {
	at     time.Duration
	cost   int // 0 peeks
	gives  int // if cost is less than 0: the number of the step whose charge is given back
	ok     bool
	result throttle.Result
}

// schedule is a random caller of one window, against a fresh Memory, in a bubble.
func schedule(t *testing.T, rnd *rand.Rand) (throttle.Rate, []step) {
	t.Helper()
	counts := [...]int{1, 2, 15, 16, 17, 18, 50, 51, 100, 1000, 4095, 4096, 4097, 8191, 100_000, 1_000_000, math.MaxInt32}
	count := counts[rnd.IntN(len(counts))]
	if rnd.IntN(3) == 0 {
		count = 1 + int(math.Exp(rnd.Float64()*math.Log(math.MaxInt32-1)))
	}
	periods := [...]time.Duration{time.Microsecond, 50 * time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour, 24 * time.Hour, 366 * 24 * time.Hour}
	rate := throttle.Rate{Count: count, Period: periods[rnd.IntN(len(periods))]}
	if rnd.IntN(2) == 0 {
		rate.Period = time.Duration(1+rnd.Int64N(rate.Period.Microseconds())) * time.Microsecond
	}
	m, began := throttle.NewMemory(1), time.Now()
	dear, idle := 1+rnd.IntN(max(count/(1+rnd.IntN(20)), 1)), 2+rnd.IntN(30)
	steps := make([]step, 24)
	var charged []int
	for i := range steps {
		pause := rnd.ExpFloat64() * float64(rate.Period) / float64(idle)
		if i > 0 && steps[i-1].result.RetryAfter > 0 && rnd.IntN(2) == 0 {
			pause = float64(steps[i-1].result.RetryAfter) - float64(rnd.IntN(2)*1000)
		} else if rnd.IntN(4) == 0 {
			pause = 0
		}
		time.Sleep(time.Duration(pause).Round(time.Microsecond))
		s := step{at: time.Since(began), cost: 1 + rnd.IntN(dear)}
		if rnd.IntN(8) == 0 {
			s.cost = 1
		}
		if rnd.IntN(12) == 0 {
			s.cost = 0
		}
		it := throttle.Item{Policy: "w", Key: "k", Rate: rate, Cost: s.cost}
		if len(charged) > 0 && rnd.IntN(5) == 0 {
			s.cost, s.gives = -1, charged[rnd.IntN(len(charged))]
			it.Cost, it.At = steps[s.gives].cost, steps[s.gives].result.At
			require.NoError(t, m.Give(t.Context(), []throttle.Item{it}))
		} else {
			out := make([]throttle.Result, 1)
			s.ok, _ = m.Take(t.Context(), []throttle.Item{it}, out)
			s.result = out[0]
			if s.ok && s.cost > 0 {
				charged = append(charged, i)
			}
		}
		steps[i] = s
	}
	return rate, steps
}

// TestBothStoresAgreeOnEveryAnswer runs random callers through a window in a Memory
// and through one in a real Redis, at the same times: both let the same pass, and tell
// the same of what is left and how long to wait. RAMPART_BARS=1 runs a million.
func TestBothStoresAgreeOnEveryAnswer(t *testing.T) {
	schedules := 400
	if os.Getenv("RAMPART_BARS") != "" {
		schedules = 1_000_000
	}
	const workers, chunk = 4, 100
	var left atomic.Int64
	left.Store(int64(schedules))
	for worker := range workers {
		t.Run(strconv.Itoa(worker), func(t *testing.T) {
			t.Parallel()
			client, prefix := redisPrefix(t)
			redis := &clockedRedis{do: redisClients()[0].open(t, client.Options().Addr), shas: map[string]string{}}
			store := openThrottle(t, redis.Do, throttleredis.Config{Prefix: prefix, DenyFor: -1, Timeout: 10 * time.Second})
			rnd := rand.New(rand.NewPCG(22, uint64(worker)))
			for left.Add(-chunk) >= 0 {
				var rates [chunk]throttle.Rate
				var all [chunk][]step
				synctest.Test(t, func(t *testing.T) {
					for i := range all {
						rates[i], all[i] = schedule(t, rnd)
					}
				})
				for i, steps := range all {
					replay(t, redis, store, rates[i], steps)
				}
			}
		})
	}
}

// replay runs a schedule in Redis and compares.
func replay(t *testing.T, redis *clockedRedis, store *throttleredis.Store, rate throttle.Rate, steps []step) {
	t.Helper()
	const began = 1_800_000_000_000_000 // in 2027
	require.NoError(t, store.Reset(t.Context(), "w", "k"))
	at := make([]int64, len(steps))
	out := make([]throttle.Result, 1)
	for i, s := range steps {
		redis.now = began + s.at.Microseconds()
		it := throttle.Item{Policy: "w", Key: "k", Rate: rate, Cost: s.cost}
		if s.cost < 0 {
			it.Cost, it.At = steps[s.gives].cost, at[s.gives]
			require.NoError(t, store.Give(t.Context(), []throttle.Item{it}))
			continue
		}
		ok, err := store.Take(t.Context(), []throttle.Item{it}, out)
		require.NoError(t, err)
		got, want := out[0], s.result
		at[i], got.At, want.At = got.At, 0, 0
		if ok != s.ok || got != want {
			for j, s := range steps[:i+1] {
				t.Logf("%d: %+v", j, s)
			}
			t.Fatalf("%v, step %d: Redis says %t, %+v; a Memory %t, %+v", rate, i, ok, got, s.ok, want)
		}
	}
}

// TestAWindowInRedisPassesExactlyItsCount: as one in a Memory does.
func TestAWindowInRedisPassesExactlyItsCount(t *testing.T) {
	t.Parallel()
	client, prefix := redisPrefix(t)
	redis := &clockedRedis{do: redisClients()[0].open(t, client.Options().Addr), shas: map[string]string{}, now: 1_800_000_000_000_000}
	store := openThrottle(t, redis.Do, throttleredis.Config{Prefix: prefix, DenyFor: -1})
	take := func(it throttle.Item) (bool, throttle.Result) {
		out := make([]throttle.Result, 1)
		ok, err := store.Take(t.Context(), []throttle.Item{it}, out)
		require.NoError(t, err)
		return ok, out[0]
	}
	for _, count := range []int{1, 2, 15, 16, 17, 50, 51, 100, 4095, 4096, 4097, 100_000, 1_000_000, math.MaxInt32} {
		it := throttle.Item{Policy: "w", Key: "k", Rate: throttle.Rate{Count: count, Period: time.Hour}}
		for range 2 {
			for left := count; left > 0; {
				it.Cost = 1
				if left < count-60 && left > 60 { // a jump over the middle of a large count
					it.Cost = max(left/3, 1)
				}
				left -= it.Cost
				ok, res := take(it)
				require.True(t, ok, "%d: %d left", count, left)
				require.Equal(t, left, res.Remaining)
			}
			it.Cost = 1
			ok, res := take(it)
			require.False(t, ok)
			require.Equal(t, time.Hour, res.RetryAfter)
			redis.now += time.Hour.Microseconds()
		}
	}
}

// TestAClockThatWasSetBackLetsNobodyWaitLonger: what is in a window moves with it, when
// the next request is charged.
func TestAClockThatWasSetBackLetsNobodyWaitLonger(t *testing.T) {
	t.Parallel()
	client, prefix := redisPrefix(t)
	for _, count := range []int{6, 100} {
		redis := &clockedRedis{do: redisClients()[0].open(t, client.Options().Addr), shas: map[string]string{}, now: 1_800_000_000_000_000}
		store := openThrottle(t, redis.Do, throttleredis.Config{Prefix: prefix, DenyFor: -1})
		take := func(cost int) (bool, time.Duration) {
			out := make([]throttle.Result, 1)
			it := throttle.Item{Policy: "w", Key: "k", Rate: throttle.Rate{Count: count, Period: time.Hour}, Cost: cost}
			ok, err := store.Take(t.Context(), []throttle.Item{it}, out)
			require.NoError(t, err)
			return ok, out[0].RetryAfter
		}
		for _, cost := range []int{count / 2, count/2 - 2} {
			ok, _ := take(cost)
			require.True(t, ok)
			redis.now += (10 * time.Minute).Microseconds()
		}
		redis.now -= (24 * time.Hour).Microseconds()
		ok, _ := take(1)
		require.True(t, ok)
		redis.now += (10 * time.Minute).Microseconds()
		ok, _ = take(1)
		require.True(t, ok)
		ok, wait := take(count - 1)
		require.False(t, ok)
		require.InDelta(t, 50*time.Minute, wait, float64(2*time.Minute), "the second charge has left by then")
		ok, wait = take(count / 2)
		require.False(t, ok)
		require.InDelta(t, 40*time.Minute, wait, float64(2*time.Minute), "the first was 10 minutes before the second")
		redis.now += wait.Microseconds() - 1
		ok, _ = take(count / 2)
		require.False(t, ok)
		redis.now++
		ok, _ = take(count / 2)
		require.True(t, ok)
	}
}

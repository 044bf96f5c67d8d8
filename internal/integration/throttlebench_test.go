package integration_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// contender makes decisions in one way.
type contender struct {
	name string
	ask  func(ctx context.Context, caller string) error
	took []time.Duration // per decision, one for each round
}

func (c *contender) median() time.Duration {
	sorted := slices.Sorted(slices.Values(c.took))
	return sorted[len(sorted)/2]
}

// round has 64 goroutines ask n times in all, for a thousand callers in turn.
func (c *contender) round(t *testing.T, n int64) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= n; i = next.Add(1) {
				err := c.ask(t.Context(), "192.0.2."+strconv.FormatInt(i%1000, 10))
				for try := 0; err != nil && try < 50; try++ { // a machine that stalls makes calls late
					time.Sleep(100 * time.Millisecond)
					err = c.ask(t.Context(), "192.0.2."+strconv.FormatInt(i%1000, 10))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	c.took = append(c.took, time.Since(start)/time.Duration(n))
}

// TestThrottleRedisDecisionsPerSecond compares with go-redis/redis_rate and with
// a plain SET of each client, in turns, so that what else the machine does meets
// all of them. RAMPART_BARS makes it long enough to judge.
func TestThrottleRedisDecisionsPerSecond(t *testing.T) {
	client, prefix := redisPrefix(t)
	rounds, n := 1, int64(500)
	bars := os.Getenv("RAMPART_BARS") != ""
	if bars {
		rounds, n = 9, 4_000
	}
	var all []*contender
	add := func(name string, ask func(ctx context.Context, caller string) error) {
		all = append(all, &contender{name: name, ask: ask})
	}
	limiter := redis_rate.NewLimiter(goredis.NewClient(&goredis.Options{Addr: client.Options().Addr, MaxRetries: -1}))
	add("redis_rate", func(ctx context.Context, caller string) error {
		_, err := limiter.Allow(ctx, "{"+prefix+"}"+caller, redis_rate.Limit{Rate: 1 << 30, Burst: 1 << 30, Period: time.Hour})
		return err
	})
	for _, client := range redisClients() {
		do := client.open(t, redisAddr())
		add(client.name+": plain SET", func(ctx context.Context, caller string) error {
			_, err := do(ctx, "SET", "{"+prefix+"}"+caller+client.name, "1700000000000000", "PX", "60000")
			return err
		})
		for _, a := range []throttle.Algorithm{throttle.TokenBucket, throttle.SlidingWindow} {
			items := func(n int, caller string) []throttle.Item {
				all := make([]throttle.Item, n)
				for i := range all {
					all[i] = throttle.Item{Policy: "p" + strconv.Itoa(i), Key: client.name + caller, Rate: throttle.Rate{Count: 1 << 30, Period: time.Hour}, Algorithm: a, Cost: 1}
				}
				return all
			}
			store, err := throttleredis.New(do, throttleredis.Config{Prefix: prefix})
			require.NoError(t, err)
			for _, n := range []int{1, 3} {
				add(fmt.Sprintf("%s: %v, %d in one call", client.name, a, n), func(ctx context.Context, caller string) error {
					_, err := store.Take(ctx, items(n, caller), make([]throttle.Result, n))
					return err
				})
			}
			add(fmt.Sprintf("%s: %v, 3 calls", client.name, a), func(ctx context.Context, caller string) error {
				for _, it := range items(3, caller) {
					if _, err := store.Take(ctx, []throttle.Item{it}, make([]throttle.Result, 1)); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	for range rounds {
		for _, c := range all {
			c.round(t, n)
		}
	}
	medians := map[string]float64{}
	for _, c := range all {
		medians[c.name] = float64(c.median())
	}
	var table strings.Builder
	for _, c := range all {
		own, _, _ := strings.Cut(c.name, ":")
		set := medians[own+": plain SET"]
		if set == 0 {
			set = medians["go-redis: plain SET"]
		}
		fmt.Fprintf(&table, "\n| %s | %.0f/s | %.2f of redis_rate | %.2f of SET |", c.name, 1e9/medians[c.name], medians["redis_rate"]/medians[c.name], set/medians[c.name])
	}
	t.Log(table.String())
	if !bars {
		return
	}
	for _, a := range []string{"TokenBucket", "SlidingWindow"} {
		assert.LessOrEqual(t, medians["go-redis: "+a+", 1 in one call"], medians["redis_rate"], "%s through go-redis", a)
		assert.LessOrEqual(t, 1.6*medians["rueidis: "+a+", 1 in one call"], medians["redis_rate"], "%s through rueidis", a)
		for _, client := range redisClients() {
			name := client.name + ": " + a
			assert.LessOrEqual(t, 1.7*medians[name+", 3 in one call"], medians[name+", 3 calls"], "%s: three in one call", name)
		}
	}
}

package throttle_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// among returns a Limiter in memory of one of n instances.
func among(t *testing.T, n *int, policies ...throttle.Policy) *throttle.Limiter {
	t.Helper()
	return newLimiter(t, throttle.Config{Policies: policies, Instances: func() int { return *n }, Headers: throttle.Both})
}

// pass returns how many requests pass until one is refused.
func pass(t *testing.T, l *throttle.Limiter) (n int) {
	t.Helper()
	for ; n < 1000; n++ {
		if _, err := l.Check(get("192.0.2.7:1")); err != nil {
			return n
		}
	}
	return n
}

func TestOneOfManyInstancesLetsItsSharePass(t *testing.T) {
	bucket := func(r throttle.Rate) throttle.Policy {
		p := anon(r)
		p.Algorithm = throttle.TokenBucket
		return p
	}
	dear := func(r throttle.Rate, cost int) throttle.Policy {
		p := anon(r)
		p.Cost = func(*http.Request) int { return cost }
		return p
	}
	for desc, tt := range map[string]struct {
		policy    throttle.Policy
		instances int
		pass      int
		policies  string // the RateLimit-Policy field
		again     time.Duration
	}{
		"one of three":                        {anon(perHour(100)), 3, 33, `"anon";q=100;w=3600`, time.Hour},
		"one alone":                           {anon(perHour(100)), 1, 100, `"anon";q=100;w=3600`, time.Hour},
		"none counts as one":                  {anon(perHour(100)), 0, 100, `"anon";q=100;w=3600`, time.Hour},
		"fewer than none, too":                {anon(perHour(100)), -3, 100, `"anon";q=100;w=3600`, time.Hour},
		"as many as may pass":                 {anon(perHour(5)), 5, 1, `"anon";q=5;w=3600`, time.Hour},
		"more than may pass":                  {anon(perHour(5)), 6, 1, `"anon";q=1;w=7200`, 2 * time.Hour},
		"three times as many":                 {anon(perHour(5)), 15, 1, `"anon";q=1;w=10800`, 3 * time.Hour},
		"far too many":                        {anon(perHour(5)), math.MaxInt, 1, `"anon";q=1;w=31622400`, 0},
		"a bucket":                            {bucket(throttle.Rate{Count: 10, Period: time.Hour, Burst: 6}), 2, 3, `"anon";q=6;w=2160`, 12 * time.Minute},
		"a bucket with a small burst":         {bucket(throttle.Rate{Count: 12, Period: time.Hour, Burst: 2}), 3, 1, `"anon";q=1;w=900`, 15 * time.Minute},
		"a bucket with a small count":         {bucket(throttle.Rate{Count: 2, Period: time.Hour}), 3, 1, `"anon";q=1;w=7200`, 2 * time.Hour},
		"a cost":                              {dear(perHour(100), 4), 3, 8, `"anon";q=100;w=3600`, time.Hour},
		"a cost that only the whole can bear": {dear(perHour(100), 80), 3, 1, `"anon";q=100;w=3600`, time.Hour},
		"a cost where hardly one can pass":    {dear(perHour(5), 4), 6, 1, `"anon";q=1;w=7200`, 2 * time.Hour},
		"a cost that nobody can bear":         {dear(perHour(100), 101), 3, 0, `"anon";q=100;w=3600`, 0},
		"no cost":                             {dear(perHour(100), 0), 3, 1000, `"anon";q=100;w=3600`, 0},
	} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := among(t, &tt.instances, tt.policy)
				assert.Equal(t, tt.pass, pass(t, l))
				w, _ := serve(l, get("192.0.2.8:1"))
				assert.Equal(t, tt.policies, w.Header().Get("RateLimit-Policy"))
				if tt.again == 0 {
					return
				}
				time.Sleep(tt.again - time.Nanosecond)
				assert.Zero(t, pass(t, l))
				time.Sleep(time.Nanosecond)
				assert.Positive(t, pass(t, l))
			})
		})
	}
}

func TestAClientIsToldWhatThisInstanceStillLetsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 3
		l := among(t, &n, anon(perHour(10)))
		for _, left := range []int{2, 1, 0} {
			w, reached := serve(l, get("192.0.2.7:1"))
			require.True(t, reached)
			assert.Equal(t, fmt.Sprintf(`"anon";r=%d;t=3600`, left), w.Header().Get("RateLimit"))
			assert.Equal(t, "10", w.Header().Get("X-RateLimit-Limit"))
			assert.Equal(t, fmt.Sprint(left), w.Header().Get("X-RateLimit-Remaining"))
		}
		res, err := l.Peek(t.Context(), "anon", "192.0.2.7")
		require.NoError(t, err)
		assert.Equal(t, throttle.Result{Policy: "anon", Limit: 10, RetryAfter: time.Hour, ResetAfter: time.Hour, At: res.At}, res,
			"a request costs more than the one that is left")
	})
}

func TestNoCountStartsAfreshWhenTheNumberOfInstancesChanges(t *testing.T) {
	for _, algorithm := range throttle.Algorithms() {
		for _, count := range []int{12, 120} {
			t.Run(fmt.Sprint(algorithm, count), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := 3
					p := anon(perHour(count))
					p.Algorithm = algorithm
					l := among(t, &n, p)
					for range count / 12 {
						_, err := l.Check(get("192.0.2.7:1"))
						require.NoError(t, err)
					}
					n = 2 // a quarter is used
					w, _ := serve(l, get("192.0.2.7:1"))
					assert.Contains(t, w.Header().Get("RateLimit"), fmt.Sprintf(`r=%d;`, (count*3/4-2)/2))
					n = 1
					assert.Equal(t, count*3/4-2, pass(t, l))
					n = 4
					assert.Zero(t, pass(t, l))
				})
			})
		}
	}
}

func TestARefundIsOfWhatWasCharged(t *testing.T) {
	n := 3
	p := anon(perHour(9))
	p.Refund = func(int) bool {
		n = 1 // meanwhile
		return true
	}
	l := among(t, &n, p)
	_, reached := serve(l, get("192.0.2.7:1"))
	require.True(t, reached)
	assert.Equal(t, 9, pass(t, l))
}

func TestSeveralPoliciesAreSharedInOneStep(t *testing.T) {
	n := 3
	other := anon(perHour(5))
	other.Name = "other"
	l := among(t, &n, anon(perHour(100)), other)
	assert.Equal(t, 1, pass(t, l))
	res, err := l.Peek(t.Context(), "anon", "192.0.2.7")
	require.NoError(t, err)
	assert.Equal(t, 32, res.Remaining)
}

func TestFallBackSharesAmongTheInstancesThatThereAre(t *testing.T) {
	store, n := &fakeStore{Store: throttle.NewMemory(0), err: errDown}, 4
	cfg := throttle.Config{
		Policies: []throttle.Policy{anon(perHour(100))}, Store: store, Outage: rampart.FallBack,
		Instances: func() int { return n }, Replicas: 2,
	}
	l := newLimiter(t, cfg)
	assert.Equal(t, 25, pass(t, l))
	store.err = nil
	assert.Equal(t, 100, pass(t, l), "the Store is not shared out")
	cfg.Replicas, cfg.Store, n = 0, &fakeStore{Store: throttle.NewMemory(0), err: errDown}, 5
	assert.Equal(t, 20, pass(t, newLimiter(t, cfg)), "the number of replicas is not needed")
}

func TestAMemoryWithoutInstancesLetsTheWholeRatePass(t *testing.T) {
	assert.Equal(t, 100, pass(t, newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(100))}, Replicas: 4})))
}

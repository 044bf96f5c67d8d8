package integration_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func claimOf(t *testing.T, caller, name string) string {
	t.Helper()
	parts := strings.Split(caller, ".")
	require.Len(t, parts, 3)
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(text, &claims))
	return fmt.Sprint(claims[name])
}

func subjectOf(t *testing.T, caller string) string { return claimOf(t, caller, "user_id") }
func sessionOf(t *testing.T, caller string) string { return claimOf(t, caller, "sid") }

// atOnce sends n requests at the same moment.
func (s *apiServer) atOnce(q apiRequest, n int) []apiAnswer {
	all := make([]apiAnswer, n)
	var ready, wg sync.WaitGroup
	start := make(chan struct{})
	for i := range all {
		ready.Add(1)
		wg.Go(func() {
			ready.Done()
			<-start
			var err error
			all[i], err = s.try(s.t.Context(), q)
			assert.NoError(s.t, err)
		})
	}
	ready.Wait()
	close(start)
	wg.Wait()
	return all
}

// Log-ins wait for their turn for a bounded time; the others are told so
// soon, and nothing of that is taken for an outage.
func faultLogins(t *testing.T, binary string, whole bool) {
	t.Helper()
	s := startAPIs(t, binary, 1, wideRates()...).instances[0]
	var refused []string
	outages := 0
	for range 3 { // on a busy machine forty hashes may take more than five seconds, or a connection too long
		outages = s.log.count("event=sys_backend_unavailable")
		few := s.atOnce(loginOf("alice"), 40)
		refused = nil
		for _, a := range few {
			if a.status != http.StatusOK {
				refused = append(refused, a.body)
			}
		}
		t.Logf("40 at once: the last after %v", slices.MaxFunc(few, func(a, b apiAnswer) int { return int(a.took - b.took) }).took)
		if len(refused) == 0 {
			break
		}
	}
	assert.Empty(t, refused)
	assert.Equal(t, outages, s.log.count("event=sys_backend_unavailable"), "%s", s.log)
	if !whole {
		return
	}
	many := s.atOnce(loginOf("alice"), 1000)
	statuses := map[string]int{}
	slowest := map[string]time.Duration{}
	for _, a := range many {
		kind := fmt.Sprint(a.status, " ", a.field("code"))
		statuses[kind]++
		slowest[kind] = max(slowest[kind], a.took)
		if a.status != http.StatusOK {
			assert.NotEmpty(t, a.retry)
		}
	}
	t.Logf("1000 at once: %v, slowest %v", statuses, slowest)
	assert.Positive(t, s.log.count("event=sys_overloaded"))
	for kind, took := range slowest {
		assert.Regexp(t, "^(200|503) ", kind)
		assert.Contains(t, []string{"200 ", "503 busy"}, kind)
		assert.LessOrEqual(t, took, patient(6*time.Second), kind)
	}
	assert.Equal(t, outages, s.log.count("event=sys_backend_unavailable"), "what is busy is no outage")
}

// One address has one limit at all instances.
func faultLimit(t *testing.T, binary string) {
	t.Helper()
	f := startAPIs(t, binary, 3)
	var passed atomic.Int64
	for i := range 5 { // an instance that waits for a busy Redis in vain counts by itself
		passed.Store(0)
		var wg sync.WaitGroup
		for g := range 9 {
			wg.Go(func() {
				for range 20 {
					a, err := f.instances[g%3].try(t.Context(), apiRequest{method: "GET", path: "/api/public/", from: fmt.Sprint("203.0.113.", i+1)})
					if assert.NoError(t, err) && a.status == http.StatusOK {
						passed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d of 180 passed", passed.Load())
		if passed.Load() == 100 {
			break
		}
	}
	assert.EqualValues(t, 100, passed.Load())
}

// redisPerRequest is what a request may ask of Redis.
const redisPerRequest = 1.0

// faultCalls counts what a request costs the backends, by their own counters.
func faultCalls(t *testing.T, binary string) {
	t.Helper()
	f := startAPIs(t, binary, 1, wideRates()...)
	s := f.instances[0]
	alice, _ := s.login("alice")
	key := s.key(alice)
	counter := goredis.NewClient(&goredis.Options{Addr: f.redis.addr()})
	defer counter.Close()
	calls := func() (ofRedis map[string]float64, ofPostgres float64) {
		text, err := counter.Info(t.Context(), "commandstats").Result()
		require.NoError(t, err)
		ofRedis = map[string]float64{}
		for line := range strings.Lines(text) {
			var n float64
			name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
			if _, err := fmt.Sscanf(rest, "%f", &n); ok && err == nil && slices.Contains([]string{"evalsha", "eval", "ping", "del", "hello", "client"}, name) {
				ofRedis[name] = n
			}
		}
		return ofRedis, float64(f.postgres.calls.Load())
	}
	sum := func(m map[string]float64) (n float64) {
		for v := range maps.Values(m) {
			n += v
		}
		return n
	}
	count := func(send func()) (ofRedis, ofPostgres float64, took time.Duration, names string) {
		r0, p0 := calls()
		began := time.Now()
		send()
		took = time.Since(began)
		r1, p1 := calls()
		return sum(r1) - sum(r0), p1 - p0, took, fmt.Sprint(r1)
	}
	idleRedis, idlePostgres, idle, _ := count(func() { pause(10 * time.Second) })
	t.Logf("idle: %.1f calls of Redis and %.1f of PostgreSQL a second", idleRedis/idle.Seconds(), idlePostgres/idle.Seconds())
	const n = 500
	for _, tt := range []struct {
		name    string
		request apiRequest
	}{
		{"public GET", apiRequest{method: "GET", path: "/api/public/"}},
		{"token GET", apiRequest{method: "GET", path: "/api/secure/", caller: alice}},
		{"API key GET", apiRequest{method: "GET", path: "/api/partner/", caller: key}},
	} {
		require.Equal(t, http.StatusOK, s.do(tt.request).status, "it is cached")
		ofRedis, ofPostgres, took, names := count(func() {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range n / 4 {
						a, err := s.try(context.WithoutCancel(t.Context()), tt.request)
						assert.NoError(t, err)
						assert.Equal(t, http.StatusOK, a.status)
					}
				})
			}
			wg.Wait()
		})
		perRedis := (ofRedis - idleRedis*took.Seconds()/idle.Seconds()) / n
		perPostgres := (ofPostgres - idlePostgres*took.Seconds()/idle.Seconds()) / n
		t.Logf("| %s | %.3f Redis | %.3f PostgreSQL | %v, %s |", tt.name, perRedis, perPostgres, took.Round(time.Millisecond), names)
		assert.LessOrEqual(t, perRedis, redisPerRequest+0.05, tt.name)
		assert.LessOrEqual(t, perPostgres, 0.05, tt.name)
	}
}

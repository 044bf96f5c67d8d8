package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/throttle"
)

func newConcurrent(t testing.TB, cfg throttle.ConcurrentConfig) *throttle.Concurrent {
	t.Helper()
	cfg.Name = "test"
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	c, err := throttle.NewConcurrent(cfg)
	require.NoError(t, err)
	return c
}

// byUser counts by a header of the test.
func byUser() throttle.KeyFunc { return throttle.ByHeader("X-User") }

func of(user string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-User", user)
	return r
}

// acquire takes a place that must be free.
func acquire(t *testing.T, c *throttle.Concurrent, r *http.Request) (release func()) {
	t.Helper()
	release, err := c.Acquire(r)
	require.NoError(t, err)
	return release
}

// refused takes no place, for that reason.
func refused(t *testing.T, c *throttle.Concurrent, r *http.Request, reason rampart.Denial) *throttle.DeniedError {
	t.Helper()
	release, err := c.Acquire(r)
	require.Nil(t, release)
	denied, ok := errors.AsType[*throttle.DeniedError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, reason, denied.Reason)
	return denied
}

func TestAConcurrentLetsNoMoreInThanItsBounds(t *testing.T) {
	c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 3, PerKey: 2, Key: byUser()})
	first := acquire(t, c, of("a"))
	acquire(t, c, of("a"))
	refused(t, c, of("a"), throttle.ConcurrencyExceeded)
	last := acquire(t, c, of("b"))
	refused(t, c, of("b"), throttle.Overloaded)
	refused(t, c, of("c"), throttle.Overloaded)
	last()
	last() // a second call frees no second place
	acquire(t, c, of("b"))
	refused(t, c, of("b"), throttle.Overloaded)
	first()
	acquire(t, c, of("b")) // the one that was refused counts no more
	refused(t, c, of("b"), throttle.ConcurrencyExceeded)
}

func TestEachBoundOfAConcurrentMayStandAlone(t *testing.T) {
	perKey := newConcurrent(t, throttle.ConcurrentConfig{PerKey: 1, Key: byUser()})
	for i := range 100 {
		acquire(t, perKey, of(fmt.Sprint(i)))
	}
	refused(t, perKey, of("7"), throttle.ConcurrencyExceeded)
	for range 3 { // ByHeader does not apply to it
		acquire(t, perKey, get("192.0.2.1:1"))
	}

	inAll := newConcurrent(t, throttle.ConcurrentConfig{InAll: 1})
	acquire(t, inAll, of("a"))
	refused(t, inAll, of("b"), throttle.Overloaded)
}

func TestARequestWhoseKeyCannotBeToldIsRefused(t *testing.T) {
	c := newConcurrent(t, throttle.ConcurrentConfig{PerKey: 1, Key: throttle.ByIP(nil)})
	refused(t, c, get("nonsense"), throttle.CallerUnknown)
}

func TestWhoWaitsGetsAPlaceInTheOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 1, Queue: 3, Wait: time.Minute, PerKey: 3, Key: byUser()})
		release := acquire(t, c, of("a"))
		var order []int
		var mu sync.Mutex
		var clients sync.WaitGroup
		for i := range 3 {
			clients.Go(func() {
				release, err := c.Acquire(of(fmt.Sprint(i)))
				assert.NoError(t, err)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				release()
			})
			synctest.Wait()
		}
		refused(t, c, of("late"), throttle.Overloaded)
		time.Sleep(time.Minute - 2*time.Second - 1)
		release()
		clients.Wait()
		require.Equal(t, []int{0, 1, 2}, order)
		acquire(t, c, of("a"))()
	})
}

func TestAWaitEndsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 1, Queue: 1, Wait: time.Second, PerKey: 2, Key: byUser()})
		release := acquire(t, c, of("a"))
		began := time.Now()
		for range 2 { // one that gave up leaves its place in the queue, and counts for its key no more
			refused(t, c, of("a"), throttle.Overloaded)
		}
		require.Equal(t, 2*time.Second, time.Since(began))
		release()
		acquire(t, c, of("a"))
		refused(t, c, of("a"), throttle.Overloaded)
	})
}

func TestAClientThatLeavesWhileItWaitsFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged logtest.Records
		c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 1, Queue: 1, Wait: time.Minute, Logger: logged.Logger()})
		release := acquire(t, c, of("a"))
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		denied := refused(t, c, of("b").WithContext(ctx), throttle.Overloaded)
		require.ErrorIs(t, denied, context.Canceled)
		require.Equal(t, time.Second, time.Since(began))
		c.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), of("b").WithContext(ctx))
		require.Empty(t, logged.All(t), "it was not refused: it left")
		go func() {
			time.Sleep(time.Second)
			release()
		}()
		acquire(t, c, of("c"))
	})
}

func TestACallerOfManyRequestsDoesNotFillTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 1, Queue: 10, Wait: time.Minute, PerKey: 2, Key: byUser()})
		release := acquire(t, c, of("a"))
		go func() { _, _ = c.Acquire(of("a")) }()
		synctest.Wait()
		refused(t, c, of("a"), throttle.ConcurrencyExceeded)
		release()
	})
}

func TestAPanicAndAHijackedConnectionFreeTheirPlace(t *testing.T) {
	c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 1})
	require.Panics(t, func() {
		c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a mistake") })).
			ServeHTTP(httptest.NewRecorder(), of("a"))
	})
	acquire(t, c, of("a"))()

	hijacked, finish := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(c.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			hijacked <- struct{}{}
			<-finish
			_ = conn.Close()
		}
	})))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if res, err := http.Get(srv.URL); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-hijacked
	refused(t, c, of("a"), throttle.Overloaded)
	close(finish)
	<-done
	require.Eventually(t, func() bool {
		release, err := c.Acquire(of("a"))
		if err == nil {
			release()
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
	srv.Close()
}

func TestRefusalsOfAConcurrentSayWhy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cfg    throttle.ConcurrentConfig
		status int
		code   string
		retry  string
		event  rampart.Event
		reason string
	}{
		{"in all", throttle.ConcurrentConfig{InAll: 1}, 503, "busy", "1", rampart.SysOverloaded, "overloaded"},
		{"of one key", throttle.ConcurrentConfig{PerKey: 1, Key: throttle.ByIP(nil)}, 429, "throttled", "1", rampart.ExcessRateLimit, "concurrency_exceeded"},
		{"a caller unknown", throttle.ConcurrentConfig{PerKey: 1, Key: func(dst []byte, _ *http.Request) ([]byte, bool) { return dst, true }}, 403, "caller_unknown", "", rampart.ExcessRateLimit, "caller_unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged logtest.Records
			tt.cfg.Logger = logged.Logger()
			c := newConcurrent(t, tt.cfg)
			_, _ = c.Acquire(of("a"))
			w := httptest.NewRecorder()
			c.Handler(http.NotFoundHandler()).ServeHTTP(w, of("a"))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.retry, w.Header().Get("Retry-After"))
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			assert.Contains(t, w.Body.String(), `"code":"`+tt.code+`"`)
			require.Len(t, logged.All(t), 1)
			record := logged.All(t)[0]
			assert.Equal(t, string(tt.event), record["event"])
			assert.Equal(t, tt.reason, record["reason"])
			assert.Equal(t, "test", record["policy"])

			tt.cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
				w.WriteHeader(http.StatusTeapot)
				_, _ = io.WriteString(w, err.Error())
			}
			c = newConcurrent(t, tt.cfg)
			_, _ = c.Acquire(of("a"))
			w = httptest.NewRecorder()
			c.Handler(http.NotFoundHandler()).ServeHTTP(w, of("a"))
			assert.Equal(t, http.StatusTeapot, w.Code)
			assert.Equal(t, tt.retry, w.Header().Get("Retry-After"))
			assert.Equal(t, "throttle: "+tt.reason+`: policy "test"`, w.Body.String())
		})
	}
}

func TestTheZeroConcurrentRefusesEveryRequest(t *testing.T) {
	var c throttle.Concurrent
	refused(t, &c, of("a"), throttle.NotConfigured)
	w := httptest.NewRecorder()
	c.Handler(http.NotFoundHandler()).ServeHTTP(w, of("a"))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestNewConcurrentTellsEveryMistake(t *testing.T) {
	key := throttle.ByIP(nil)
	for _, tt := range []struct {
		cfg  throttle.ConcurrentConfig
		want string
	}{
		{throttle.ConcurrentConfig{}, "Name: missing\nInAll: missing"},
		{throttle.ConcurrentConfig{Name: "two words", InAll: 1}, `Name: invalid: "two words"`},
		{throttle.ConcurrentConfig{Name: strings.Repeat("n", 65), InAll: 1}, `Name: invalid: "` + strings.Repeat("n", 65) + `"`},
		{throttle.ConcurrentConfig{Name: "n", InAll: -1, PerKey: -1}, "InAll: invalid: \"-1\"\nPerKey: invalid: \"-1\""},
		{throttle.ConcurrentConfig{Name: "n", PerKey: 1}, "Key: missing"},
		{throttle.ConcurrentConfig{Name: "n", InAll: 1, Key: key}, "PerKey: missing"},
		{throttle.ConcurrentConfig{Name: "n", PerKey: 1, Key: key, Queue: 1, Wait: 1}, `Queue: invalid: "1"`},
		{throttle.ConcurrentConfig{Name: "n", InAll: 1, Queue: -1}, `Queue: invalid: "-1"`},
		{throttle.ConcurrentConfig{Name: "n", InAll: 1, Queue: 1}, "Wait: missing"},
		{throttle.ConcurrentConfig{Name: "n", InAll: 1, Wait: time.Second}, `Wait: invalid: "1s"`},
		{throttle.ConcurrentConfig{Name: "n", InAll: 1, Queue: 1, Wait: -1}, `Wait: invalid: "-1ns"`},
	} {
		_, err := throttle.NewConcurrent(tt.cfg)
		assert.Equal(t, tt.want, conferrtest.Text(err))
	}
}

// TestAConcurrentIsNeverAboveItsBounds sends random callers, some of whom leave or
// panic, and counts in the handler what runs. In the end all places are free.
func TestAConcurrentIsNeverAboveItsBounds(t *testing.T) {
	rounds := 20
	if bars() {
		rounds = 1000
	}
	for seed := range uint64(rounds) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			cfg := throttle.ConcurrentConfig{InAll: 1 + rnd.IntN(8), PerKey: 1 + rnd.IntN(4), Key: byUser(), Queue: rnd.IntN(6)}
			if cfg.Queue > 0 {
				cfg.Wait = time.Duration(1 + rnd.IntN(20))
			}
			c := newConcurrent(t, cfg)
			var inAll, most atomic.Int64
			var perKey [5]atomic.Int64
			h := c.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				user := &perKey[r.Header.Get("X-User")[0]-'0']
				n, own := inAll.Add(1), user.Add(1)
				defer inAll.Add(-1)
				defer user.Add(-1)
				most.Store(max(most.Load(), n))
				if n > int64(cfg.InAll) || own > int64(cfg.PerKey) {
					t.Errorf("seed %d, %+v: %d run, %d of the caller", seed, cfg, n, own)
				}
				time.Sleep(time.Duration(len(r.Header.Get("X-Long"))))
				if r.Header.Get("X-Panics") != "" {
					panic(http.ErrAbortHandler)
				}
			}))
			var clients sync.WaitGroup
			for range 300 {
				r := of(fmt.Sprint(rnd.IntN(len(perKey))))
				r.Header.Set("X-Long", strings.Repeat("n", rnd.IntN(20)))
				if rnd.IntN(10) == 0 {
					r.Header.Set("X-Panics", "yes")
				}
				ctx, cancel := context.WithCancel(t.Context())
				if rnd.IntN(5) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(20)))
				}
				clients.Go(func() {
					defer cancel()
					defer func() { _ = recover() }()
					h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
				})
				time.Sleep(time.Duration(rnd.IntN(4)))
			}
			clients.Wait()
			require.Zero(t, c.InFlight(), "seed %d: all places are free", seed)
			for range cfg.InAll {
				acquire(t, c, get("192.0.2.1:1"))
			}
			require.Positive(t, most.Load())
		})
	}
}

// TestAConcurrentUnderRealConcurrency is for the race detector.
func TestAConcurrentUnderRealConcurrency(t *testing.T) {
	c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 4, PerKey: 2, Key: byUser(), Queue: 4, Wait: time.Second})
	var running atomic.Int64
	h := c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if running.Add(1) > 4 {
			t.Error("more than its bound")
		}
		running.Add(-1)
	}))
	var clients sync.WaitGroup
	for client := range 16 {
		clients.Go(func() {
			for range 200 {
				h.ServeHTTP(httptest.NewRecorder(), of(fmt.Sprint(client%5)))
			}
		})
	}
	clients.Wait()
	require.Zero(t, c.InFlight())
}

func TestAnUncontendedPlaceCostsNoAllocation(t *testing.T) {
	c := newConcurrent(t, throttle.ConcurrentConfig{InAll: 10, PerKey: 2, Key: byUser()})
	h, r, w := c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), of("a"), discard{http.Header{}}
	require.Zero(t, testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }))
}

func BenchmarkConcurrent(b *testing.B) {
	for name, cfg := range map[string]throttle.ConcurrentConfig{
		"InAll":         {InAll: 64},
		"InAll, PerKey": {InAll: 64, PerKey: 4, Key: byUser()},
	} {
		b.Run(name, func(b *testing.B) {
			h := newConcurrent(b, cfg).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r, w := of("somebody"), discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

func ExampleNewConcurrent() {
	reports, err := throttle.NewConcurrent(throttle.ConcurrentConfig{
		Name:   "reports",
		InAll:  8, // as many as the database makes at once
		PerKey: 2, Key: throttle.ByIP(nil),
		Queue: 16, Wait: 3 * time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := reports.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a report") }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/reports/", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 200 a report
}

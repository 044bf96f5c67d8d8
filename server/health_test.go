package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/server"
)

func newHealth(t *testing.T, cfg server.HealthConfig) *server.Health {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := server.NewHealth(cfg)
	require.NoError(t, err)
	return h
}

func ask(h http.Handler, method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "/readyz", nil))
	return w
}

func TestReadinessFollowsItsChecksAndTellsStrangersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rs logtest.Records
		var broken atomic.Bool
		h := newHealth(t, server.HealthConfig{
			Checks: []server.HealthCheck{
				{Name: "database", Check: func(context.Context) error {
					if broken.Load() {
						return errors.New("dial postgres://user@db: refused")
					}
					return nil
				}},
				{Name: "cache", Check: func(context.Context) error { return nil }},
			},
			Logger: rs.Logger(),
		})
		w := ask(h.Ready(), http.MethodGet)
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Equal(t, "{\"status\":\"ok\"}\n", w.Body.String())
		require.NoError(t, h.Check(t.Context()))

		broken.Store(true)
		assert.Equal(t, http.StatusOK, ask(h.Ready(), http.MethodGet).Code, "the result is kept")
		time.Sleep(1100 * time.Millisecond)
		w = ask(h.Ready(), http.MethodGet)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.NotContains(t, w.Body.String(), "database")
		assert.NotContains(t, w.Body.String(), "postgres")
		require.Error(t, h.Check(t.Context()))
		assert.Equal(t, http.StatusOK, ask(h.Live(), http.MethodGet).Code, "alive all the same")

		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		broken.Store(false)
		time.Sleep(190 * time.Millisecond)
		assert.Equal(t, http.StatusServiceUnavailable, ask(h.Ready(), http.MethodGet).Code)
		time.Sleep(20 * time.Millisecond)
		assert.Equal(t, http.StatusOK, ask(h.Ready(), http.MethodGet).Code, "a failure is kept for less long")
		got := rs.All(t)
		require.Len(t, got, 2, "one event as it fails, one as it recovers")
		assert.Equal(t, "sys_backend_unavailable", got[0]["event"])
		assert.Equal(t, "database", got[0]["backend"])
		assert.Equal(t, "sys_backend_recovered", got[1]["event"])
	})
}

func TestAThousandProbesRunTheChecksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		h := newHealth(t, server.HealthConfig{Checks: []server.HealthCheck{{Name: "slow", Check: func(context.Context) error {
			runs.Add(1)
			time.Sleep(500 * time.Millisecond)
			return nil
		}}}})
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { assert.Equal(t, http.StatusOK, ask(h.Ready(), http.MethodGet).Code) })
		}
		wg.Wait()
		assert.EqualValues(t, 1, runs.Load())
	})
}

func TestACheckThatHangsFailsAndIsNotAskedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var runs atomic.Int64
		h := newHealth(t, server.HealthConfig{
			Timeout: 300 * time.Millisecond,
			Keep:    10 * time.Millisecond,
			Checks: []server.HealthCheck{
				{Name: "hangs", Check: func(context.Context) error { runs.Add(1); <-release; return nil }},
				{Name: "panics", Check: func(context.Context) error {
					select {
					case <-release:
						return nil
					default:
						panic("no")
					}
				}},
			},
		})
		began := time.Now()
		require.Error(t, h.Check(t.Context()))
		assert.Equal(t, 300*time.Millisecond, time.Since(began))
		for range 5 {
			time.Sleep(20 * time.Millisecond)
			require.Error(t, h.Check(t.Context()))
		}
		assert.EqualValues(t, 1, runs.Load())
		close(release)
		time.Sleep(20 * time.Millisecond)
		require.NoError(t, h.Check(t.Context()))
	})
}

func TestWhoGivesUpWaitingDoesNotEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(t, server.HealthConfig{Checks: []server.HealthCheck{{Name: "slow", Check: func(ctx context.Context) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}}})
		first, cancel := context.WithCancel(t.Context())
		go func() { assert.NoError(t, h.Check(first)) }()
		synctest.Wait()
		cancel()
		second, cancel2 := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel2()
		require.Error(t, h.Check(second))
		require.NoError(t, h.Check(t.Context()))
	})
}

func TestADrainedServiceIsNotReady(t *testing.T) {
	h := newHealth(t, server.HealthConfig{})
	assert.Equal(t, http.StatusOK, ask(h.Ready(), http.MethodHead).Code)
	assert.Empty(t, ask(h.Ready(), http.MethodHead).Body.String())
	assert.Equal(t, http.StatusMethodNotAllowed, ask(h.Ready(), http.MethodPost).Code)
	h.Drain()
	assert.Equal(t, http.StatusServiceUnavailable, ask(h.Ready(), http.MethodGet).Code)
	assert.Equal(t, http.StatusOK, ask(h.Live(), http.MethodGet).Code)
	assert.Equal(t, http.StatusServiceUnavailable, ask(new(server.Health).Ready(), http.MethodGet).Code, "the zero value is never ready")
}

func TestNewHealthReportsEveryMistake(t *testing.T) {
	fine := func(context.Context) error { return nil }
	_, err := server.NewHealth(server.HealthConfig{
		Timeout: -1, Keep: time.Hour,
		Checks: append(make([]server.HealthCheck, 31), server.HealthCheck{Name: "a", Check: fine}, server.HealthCheck{Name: "a"}),
	})
	n := map[string]int{}
	for m := range rampart.Mistakes(err) {
		n[m.Field+" "+string(m.Reason)]++
	}
	assert.Equal(t, map[string]int{"Checks invalid": 1, "Checks.Name missing": 31, "Checks.Name duplicate": 1, "Checks.Check missing": 32, "Timeout invalid": 1, "Keep invalid": 1}, n)
}

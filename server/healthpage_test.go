package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/server"
)

func TestDetailTellsOperatorsWhatReadinessIsMadeOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		check := func(ctx context.Context) error {
			time.Sleep(30 * time.Millisecond)
			if down.Load() {
				return errors.New("refused \"x\"\n<b>")
			}
			return nil
		}
		h := newHealth(t, server.HealthConfig{
			Version: "v1.2.3",
			Checks: []server.HealthCheck{
				{Name: "database", Check: check, Info: func() map[string]any { return map[string]any{"schema": 7} }},
				{Name: "panics", Check: check, Info: func() map[string]any { panic("x") }},
				{Name: "odd", Check: check, Info: func() map[string]any { return map[string]any{"x": math.NaN()} }},
			},
		})
		page := ask(h.Detail(), http.MethodGet)
		assert.Equal(t, http.StatusOK, page.Code)
		assert.Equal(t, "no-store", page.Header().Get("Cache-Control"))
		assert.JSONEq(t, `{"status":"ok","version":"v1.2.3","checks":{
			"database":{"ok":true,"since":"2000-01-01T00:00:00.03Z","seconds":0.03,"info":{"schema":7}},
			"panics":{"ok":true,"since":"2000-01-01T00:00:00.03Z","seconds":0.03,"info":{"error":"Info has panicked"}},
			"odd":{"ok":true,"since":"2000-01-01T00:00:00.03Z","seconds":0.03,"info":{"error":"Info is not for JSON"}}}}`, page.Body.String())

		down.Store(true)
		time.Sleep(2 * time.Second)
		page = ask(h.Detail(), http.MethodGet)
		assert.Equal(t, http.StatusServiceUnavailable, page.Code)
		var got struct {
			Status string
			Checks map[string]map[string]any
		}
		require.NoError(t, json.Unmarshal(page.Body.Bytes(), &got))
		assert.Equal(t, "unavailable", got.Status)
		assert.Equal(t, map[string]any{"ok": false, "error": `refused "x"\n<b>`, "since": "2000-01-01T00:00:02.06Z", "seconds": 0.03, "info": map[string]any{"schema": 7.0}}, got.Checks["database"])
		assert.NotContains(t, page.Body.String(), "<b>")

		time.Sleep(time.Second)
		require.NoError(t, json.Unmarshal(ask(h.Detail(), http.MethodGet).Body.Bytes(), &got))
		assert.Equal(t, "2000-01-01T00:00:02.06Z", got.Checks["database"]["since"], "since it began to fail")

		down.Store(false)
		h.Drain()
		time.Sleep(time.Second)
		page = ask(h.Detail(), http.MethodGet)
		assert.Equal(t, http.StatusServiceUnavailable, page.Code)
		require.NoError(t, json.Unmarshal(page.Body.Bytes(), &got))
		assert.Equal(t, "draining", got.Status)
		assert.Equal(t, true, got.Checks["database"]["ok"], "the checks go on")
	})
	assert.JSONEq(t, `{"status":"unavailable"}`, ask(new(server.Health).Detail(), http.MethodGet).Body.String())
}

func TestAnOptionalCheckIsLoggedAndShownAndHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rs logtest.Records
		var mode atomic.Value
		mode.Store("ok")
		release := make(chan struct{})
		h := newHealth(t, server.HealthConfig{
			Logger: rs.Logger(),
			Checks: []server.HealthCheck{
				{Name: "database", Check: func(context.Context) error { return nil }},
				{Name: "redis", Optional: true, Check: func(ctx context.Context) error {
					switch mode.Load() {
					case "slow":
						time.Sleep(time.Second)
					case "hangs":
						<-release
					case "down":
						return errors.New("refused")
					}
					return ctx.Err()
				}},
			},
		})
		redis := func() string {
			t.Helper()
			page := ask(h.Detail(), http.MethodGet)
			assert.Equal(t, http.StatusOK, page.Code)
			var got struct {
				Checks map[string]json.RawMessage
			}
			require.NoError(t, json.Unmarshal(page.Body.Bytes(), &got))
			return string(got.Checks["redis"])
		}
		assert.Contains(t, redis(), `"ok":true,"optional":true`)
		mode.Store("slow")
		time.Sleep(2 * time.Second)
		began := time.Now()
		assert.Contains(t, redis(), `"ok":true`, "it may yet answer")
		assert.Equal(t, 100*time.Millisecond, time.Since(began))
		time.Sleep(2 * time.Second)
		assert.Empty(t, rs.All(t))

		mode.Store("down")
		assert.Contains(t, redis(), `"ok":false,"optional":true,"error":"refused"`)
		require.NoError(t, h.Check(t.Context()))
		got := rs.All(t)
		require.Len(t, got, 1)
		assert.Equal(t, "redis", got[0]["backend"])

		mode.Store("hangs")
		time.Sleep(2 * time.Second)
		assert.Contains(t, redis(), `"error":"refused"`)
		time.Sleep(3 * time.Second)
		assert.Contains(t, redis(), `"error":"server: the check has not answered"`)
		assert.Contains(t, redis(), `"seconds":3.1`)
		mode.Store("ok")
		close(release)
		time.Sleep(2 * time.Second)
		assert.Contains(t, redis(), `"ok":true`)
		assert.Len(t, rs.All(t), 2)
	})
}

func TestAnOptionalCheckThatIsSlowAtFirstIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rs logtest.Records
		h := newHealth(t, server.HealthConfig{Logger: rs.Logger(), Checks: []server.HealthCheck{
			{Name: "redis", Optional: true, Check: func(context.Context) error { time.Sleep(time.Second); return nil }},
		}})
		for range 3 {
			require.NoError(t, h.Check(t.Context()))
			time.Sleep(1100 * time.Millisecond)
		}
		assert.Empty(t, rs.All(t))
	})
}

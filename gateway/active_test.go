package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestActiveChecksTakeATargetOutAndBringItBack(t *testing.T) {
	var bad atomic.Bool
	asked := make(chan *http.Request, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			return
		}
		select {
		case asked <- r:
		default:
		}
		if bad.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(s.Close)
	config := `_format_version: "3.0"
upstreams:
  - name: u.internal
    host_header: api.example
    healthchecks:
      active:
        http_path: /health
        headers: {X-Probe: ["1"]}
        healthy: {interval: 0.02, successes: 1}
        unhealthy: {interval: 0.02, http_failures: 2}
    targets: [{target: "` + s.Listener.Addr().String() + `"}]
services: [{name: s, host: u.internal, routes: [{name: r, paths: [/]}]}]
`
	before := runtime.NumGoroutine()
	e := start(t, config)
	r := <-asked
	assert.Equal(t, "api.example", r.Host)
	assert.Equal(t, "1", r.Header.Get("X-Probe"))
	status := func() int { return e.get("/").status }
	assert.Equal(t, 200, status())
	bad.Store(true)
	require.Eventually(t, func() bool { return status() == 503 }, 20*time.Second, 10*time.Millisecond)
	assert.Contains(t, do(t, "GET", e.admin+"/upstreams/u.internal/health", "").body, `"health":"UNHEALTHY"`)
	bad.Store(false)
	require.Eventually(t, func() bool { return status() == 200 }, 20*time.Second, 10*time.Millisecond)
	for i := range 5 { // each change ends the checks of the one before
		require.NoError(t, e.g.Use(t.Context(), []byte(config+fmt.Sprintf("consumers: [{username: c%d}]\n", i))))
	}
	require.Equal(t, 200, do(t, "PATCH", e.admin+"/upstreams/u.internal", `{"healthchecks":{"active":{"healthy":{"interval":0},"unhealthy":{"interval":0}}}}`, "Content-Type: application/json").status)
	drained := func() bool {
		for len(asked) > 0 {
			<-asked
		}
		time.Sleep(100 * time.Millisecond) // five times the interval
		return len(asked) == 0
	}
	require.Eventually(t, drained, 20*time.Second, time.Millisecond)
	require.NoError(t, e.g.Close())
	settles(t, before+10)
}

func TestActiveChecksThatAreWrongAreRefused(t *testing.T) {
	e := start(t, one(""))
	for field, value := range map[string]string{
		"type": "grpc", "http_path": "x", "timeout": "0", "concurrency": "0", "healthy.interval": "-1", "unhealthy.interval": "0.001",
		"healthy.successes": "256", "unhealthy.http_failures": "-1", "healthy.http_statuses": "9", "headers.Host": "x",
	} {
		r := e.form("POST", "/upstreams", "name", "u.internal", "healthchecks.active."+field, value)
		assert.Equal(t, 400, r.status, field)
		assert.Contains(t, r.body, "healthchecks.active."+field)
	}
}

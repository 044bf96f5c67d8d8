package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// collector is a server for logs.
func collector(t *testing.T, answer func(n int64) int) (string, chan *http.Request, chan string) {
	t.Helper()
	requests, bodies := make(chan *http.Request, 100), make(chan string, 100)
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := answer(n.Add(1))
		if status == 200 {
			requests <- r
			bodies <- string(body)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests, bodies
}

func next(t *testing.T, bodies chan string) string {
	t.Helper()
	select {
	case b := <-bodies:
		return b
	case <-time.After(20 * time.Second):
		require.Fail(t, "no entry has come")
		return ""
	}
}

func always(int64) int { return 200 }

func TestHTTPLogSendsWhatKongDocuments(t *testing.T) {
	at, requests, bodies := collector(t, always)
	e := start(t, one(`
  - {name: http-log, config: {http_endpoint: "`+strings.Replace(at, "http://", "http://user:pass@", 1)+`/in?a=b", method: PUT, headers: {X-Team: a}}}
  - {name: key-auth, config: {key_names: [x-id, apikey]}}
`)+people)
	require.Equal(t, 200, e.get("/api/x?a=1&token=t0p&b=2&b=3", "X-Id: alice-key-0123456789", "Authorization: Basic eDp5", "Cookie: s=1", "X-Custom: c", "Referer: http://a/?token=t0p").status)
	text := next(t, bodies)
	r := <-requests
	assert.Equal(t, "PUT", r.Method)
	assert.Equal(t, "/in?a=b", r.URL.RequestURI())
	assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
	assert.Equal(t, "a", r.Header.Get("X-Team"))
	user, pass, _ := r.BasicAuth()
	assert.Equal(t, "user pass", user+" "+pass)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &got), text)
	part := func(path ...string) any {
		var v any = got
		for _, p := range path {
			v = v.(map[string]any)[p] //nolint:forcetypeassert // of a test
		}
		return v
	}
	assert.Equal(t, "GET", part("request", "method"))
	assert.Equal(t, "/api/x", part("request", "uri"))
	assert.Equal(t, map[string]any{"a": "1", "token": "REDACTED", "b": []any{"2", "3"}}, part("request", "querystring"))
	assert.Equal(t, "c", part("request", "headers", "x-custom"))
	for _, name := range []string{"x-id", "authorization", "cookie", "referer"} {
		assert.Equal(t, "REDACTED", part("request", "headers", name), name)
	}
	assert.InDelta(t, 200, part("response", "status"), 0)
	assert.Equal(t, "echo", part("response", "headers", "x-upstream"))
	assert.Equal(t, "200", part("upstream_status"))
	assert.Equal(t, "/api/x", part("upstream_uri"))
	assert.Equal(t, "svc", part("service", "name"))
	assert.Equal(t, "r", part("route", "name"))
	assert.Equal(t, "alice", part("consumer", "username"))
	assert.NotEmpty(t, part("authenticated_entity", "id"))
	assert.Equal(t, "127.0.0.1", part("client_ip"))
	assert.NotEmpty(t, part("tries").([]any)) //nolint:forcetypeassert // of a test
	assert.NotZero(t, part("started_at"))
	for _, s := range []string{"alice-key", "t0p", "eDp5"} {
		assert.NotContains(t, text, s)
	}

	require.Equal(t, 401, e.get("/api", "X-Id: a-key-that-is-wrong").status)
	text = next(t, bodies)
	assert.Contains(t, text, `"status":401`)
	assert.NotContains(t, text, "a-key-that", "a wrong key may be nearly right")
	require.Equal(t, 404, e.get("/none", "X-Id: alice-key-0123456789").status)
	assert.Contains(t, next(t, bodies), `"source":"kong"`)
	require.Eventually(t, func() bool { // it is counted once the response is there
		return strings.Contains(do(t, "GET", e.admin+"/metrics", "").body, `rampart_gateway_log_entries_total{outcome="sent",plugin="http-log"} 3`)
	}, 10*time.Second, 10*time.Millisecond)
}

func TestHTTPLogBatchesAndTriesAgain(t *testing.T) {
	at, _, bodies := collector(t, func(n int64) int { return []int{500, 302, 200}[min(n-1, 2)] })
	e := start(t, one(`  - {name: http-log, config: {http_endpoint: "`+at+`", queue: {max_batch_size: 3, max_coalescing_delay: 60, initial_retry_delay: 0.001}}}`))
	for range 3 {
		e.get("/api")
	}
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(next(t, bodies)), &list))
	assert.Len(t, list, 3)
	e.get("/api")
	require.Equal(t, 201, e.form("POST", "/consumers", "username", "new").status, "another change ends no queue")
	require.NoError(t, e.g.Close())
	require.NoError(t, json.Unmarshal([]byte(next(t, bodies)), &list), "the end sends what waits")
	assert.Len(t, list, 1)
}

func TestFileLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kong.log")
	e := start(t, one(`  - {name: file-log, config: {path: "`+path+`", reopen: true}}`))
	lines := func(want int) []string {
		var all []string
		require.Eventually(t, func() bool {
			text, _ := os.ReadFile(path)
			all = strings.Split(strings.TrimSpace(string(text)), "\n")
			return len(text) > 0 && len(all) >= want
		}, 20*time.Second, 5*time.Millisecond)
		return all
	}
	e.get("/api?a=%0a{}", "X-A: \u2028")
	e.get("/api")
	for _, line := range lines(2) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Rename(path, path+".1"))
	e.get("/api")
	assert.Len(t, lines(1), 1, "a file that was moved away is made anew")
}

func TestLogsRefuseWhatTheyWouldNotHeed(t *testing.T) {
	e := start(t, one(""))
	for _, c := range [][]string{
		{"http-log", "", "", "config.http_endpoint"},
		{"http-log", "http_endpoint", "ftp://a", "config.http_endpoint"},
		{"http-log", "custom_fields_by_lua.x", "return 1", "no Lua runs here"},
		{"http-log", "headers.Host", "a", "config.headers.Host"},
		{"http-log", "queue.max_batch_size", "0", "config.queue.max_batch_size"},
		{"http-log", "queue.concurrency_limit", "-1", "unknown field"},
		{"http-log", "queue.max_retry_time", "NaN", "a number is wanted"},
		{"http-log", "ssl_verify", "false", "unknown field"},
		{"file-log", "path", "", "config.path"},
		{"file-log", "path", "/tmp/a\nb", "config.path"},
		{"file-log", "custom_fields_by_lua.x", "return 1", "no Lua runs here"},
	} {
		r := e.form("POST", "/plugins", "name", c[0], "config."+c[1], c[2])
		assert.Equal(t, 400, r.status, c)
		assert.Contains(t, r.body, c[3], c)
	}
	r := e.form("POST", "/plugins", "name", "http-log", "config.http_endpoint", "http://u:p@a", "config.headers.authorization", "x")
	assert.Contains(t, r.body, "has a user already")
}

package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// logBuffer is a log that several goroutines write to.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// echo is an upstream that answers with what it got.
func echo(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Upstream", "echo")
		w.Header().Set("Server", "secret/1.0")
		for name, value := range r.URL.Query() {
			if after, ok := strings.CutPrefix(name, "set-"); ok {
				w.Header().Set(after, value[0])
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "host": r.Host,
			"header": r.Header, "body": string(body), "method": r.Method,
		})
	}))
	t.Cleanup(s.Close)
	return s
}

// edge is a gateway in this process.
type edge struct {
	t      testing.TB
	g      *gateway.Gateway
	file   string
	url    string
	admin  string
	log    *logBuffer
	access *logBuffer
}

// start serves the configuration; UPSTREAM in it becomes the URL of an echo.
func start(t testing.TB, config string, change ...func(*gateway.Config)) *edge {
	t.Helper()
	e := &edge{t: t, log: &logBuffer{}, access: &logBuffer{}, file: filepath.Join(t.TempDir(), "kong.yml")}
	cfg := gateway.Config{File: e.file, Resolve: map[string]string{}, AccessLog: e.access, Logger: slog.New(slog.NewJSONHandler(e.log, nil))}
	config = strings.ReplaceAll(config, "UPSTREAM", echo(t).URL)
	require.NoError(t, os.WriteFile(e.file, []byte(config), 0o600))
	for _, f := range change {
		f(&cfg)
	}
	var err error
	e.g, err = gateway.New(cfg)
	require.NoError(t, err)
	if cfg.File == "" {
		require.NoError(t, e.g.Use(t.Context(), []byte(config)))
	}
	proxy, admin := httptest.NewServer(e.g), httptest.NewServer(e.g.Admin())
	e.url, e.admin = proxy.URL, admin.URL
	t.Cleanup(func() {
		proxy.Close()
		admin.Close()
		assert.NoError(t, e.g.Close())
	})
	return e
}

// dial connects to a Redis as an embedding program does.
func dial(t testing.TB, addr string) func(context.Context, ...any) (any, error) {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: addr, DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second, MaxRetries: -1, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = client.Close() })
	return func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &m), r.body)
	return m
}

// sent returns a header as the upstream got it.
func (r reply) sent(t testing.TB, name string) string {
	t.Helper()
	h, _ := r.json(t)["header"].(map[string]any)
	v, _ := h[name].([]any)
	var texts []string
	for _, one := range v {
		texts = append(texts, one.(string)) //nolint:forcetypeassert // a header's
	}
	return strings.Join(texts, "|")
}

// do sends a request; each header reads name: value.
func do(t testing.TB, method, target, body string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	if body == "" {
		r.Body = nil
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	resp, err := direct.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// direct follows no redirect and keeps no connection for another test.
var direct = &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}

func (e *edge) get(path string, headers ...string) reply {
	return do(e.t, http.MethodGet, e.url+path, "", headers...)
}

func (e *edge) form(method, path string, pairs ...string) reply {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return do(e.t, method, e.admin+path, form.Encode(), "Content-Type: application/x-www-form-urlencoded")
}

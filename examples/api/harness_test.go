package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/server"
)

// service is the example server on a loopback port, in this process.
type service struct {
	t    *testing.T
	url  string
	logs *logBuffer
	srv  *instance

	behindProxy bool // every request says that a proxy took it over https
}

// logBuffer is a log that tests read while the server writes.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// wide keeps limits out of the way of tests that are about something else.
var wide = []string{"-anon-rate", "1000000/hour", "-user-rate", "1000000/hour"}

func startService(t *testing.T, args ...string) *service {
	t.Helper()
	return startOn(t, filepath.Join(t.TempDir(), "test.db"), args...)
}

func startOn(t *testing.T, db string, args ...string) *service {
	t.Helper()
	none := func(string) string { return "" }
	s, err := parse(append([]string{"-db", db}, args...), none, io.Discard)
	require.NoError(t, err)
	logs := &logBuffer{}
	srv, err := open(t.Context(), s, slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
	require.NoError(t, err)
	t.Cleanup(srv.close)
	web, err := server.New(server.Config{Handler: srv.handler, Logger: slog.New(slog.NewJSONHandler(logs, nil))})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- web.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })
	return &service{t: t, url: "http://" + ln.Addr().String(), logs: logs, srv: srv}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	s, _ := m[name].(string)
	return s
}

// do sends one request; headers are "Name: value".
func (s *service) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	a, err := s.try(method, path, body, headers...)
	require.NoError(s.t, err)
	return a
}

// try is do for a goroutine, which must not end the test.
func (s *service) try(method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body == "" {
		req.Body = nil
	}
	if s.behindProxy {
		req.Header.Set("X-Forwarded-Proto", "https")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header[http.CanonicalHeaderKey(name)] = append(req.Header[http.CanonicalHeaderKey(name)], value)
		if name == "Host" {
			req.Host = value
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// soonRefused asks until the answer is 401, which what another instance did brings
// about within a second (TestCounterMeasuresHoldOnEveryInstanceAndOverARestart
// holds it to that; a busy machine may need longer now and then), and then sees
// that it stays so.
func (s *service) soonRefused(path string, headers ...string) {
	s.t.Helper()
	var took time.Duration
	began := time.Now()
	for got := 0; got != http.StatusUnauthorized; took = time.Since(began) {
		require.Less(s.t, took, 20*time.Second, "%s: still %d", path, got)
		got = s.do("GET", path, "", headers...).status
	}
	if took > time.Second {
		s.t.Logf("%s: refused after %v", path, took)
	}
	for range 3 {
		require.Equal(s.t, http.StatusUnauthorized, s.do("GET", path, "", headers...).status)
	}
}

const asJSON = "Content-Type: application/json"

func (s *service) post(path, body string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, body, append(headers, asJSON)...)
}

// login returns the access and refresh tokens of a demo user.
func (s *service) login(user string) (access, refresh string) {
	s.t.Helper()
	a := s.post("/api/token/", `{"username":"`+user+`","password":"`+demoPassword+`"}`)
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	return a.field(s.t, "access"), a.field(s.t, "refresh")
}

func bearer(token string) string { return "Authorization: Bearer " + token }

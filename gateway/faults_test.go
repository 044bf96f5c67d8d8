package gateway_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/freeport"
)

// raw is an upstream that does with each connection what it is told, after the
// request has been read.
func raw(t testing.TB, behave func(c net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			_ = c.Close()
		}
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			go func() {
				defer func() { _ = c.Close() }()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				// Closing with a body unread would reset the connection, and the
				// answer would be lost on a slow machine.
				if _, err = io.Copy(io.Discard, r.Body); err == nil {
					behave(c)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// refusing is an address where nothing ever listens.
const refusing = "127.0.0.1:1"

// freeAddr is an address where nothing listens now.
func freeAddr(t testing.TB) string { return freeport.Addr(t) }

// patient are the milliseconds of a timeout that no slow machine reaches.
const patient = 20_000

// faulty is a gateway before an upstream at addr, with timeouts of ms, and a
// healthy service beside it.
func faulty(t *testing.T, addr string, ms int) *edge {
	t.Helper()
	return start(t, fmt.Sprintf(`_format_version: "3.0"
services:
  - name: faulty
    url: http://%[1]s
    connect_timeout: %[2]d
    read_timeout: %[2]d
    write_timeout: %[2]d
    retries: 1
    routes: [{name: bad, paths: [/bad]}]
  - name: fine
    url: UPSTREAM
    routes: [{name: good, paths: [/good]}]
`, addr, ms))
}

func TestUpstreamFaultsHaveTheirStatusAndLeakNothing(t *testing.T) {
	wait := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for name, c := range map[string]struct {
		behave func(net.Conn)
		status int // 0: the connection breaks
		code   string
		ms     int // of timeouts; 0: patient
	}{
		"refused": {nil, 502, "upstream_error", 0},
		"reset": {func(c net.Conn) {
			_ = c.(*net.TCPConn).SetLinger(0) //nolint:forcetypeassert // it listens on TCP
		}, 502, "upstream_error", 0},
		"closed without an answer": {func(net.Conn) {}, 502, "upstream_error", 0},
		"silent":                   {wait, 504, "upstream_timeout", 300},
		"half-closed": {func(c net.Conn) {
			_ = c.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // it listens on TCP
			wait(c)
		}, 502, "upstream_error", 0},
		"a slow header": {func(c net.Conn) {
			for _, b := range "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + strings.Repeat("y", 500) {
				if _, err := c.Write([]byte(string(b))); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, 504, "upstream_timeout", 300},
		"giant headers": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 1<<20)+"\r\n\r\n")
		}, 502, "upstream_error", 0},
		"endless headers": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "X-A: b\r\n"); err != nil {
					return
				}
			}
		}, 502, "upstream_error", 0},
		"no HTTP": {func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n\r\n") }, 502, "upstream_error", 0},
		"two lengths": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
		}, 502, "upstream_error", 0},
		"a status that is none": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 007 Bond\r\nContent-Length: 1\r\n\r\n")
			wait(c)
		}, 502, "upstream_error", 0},
		"an upgrade that nobody asked for": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			wait(c)
		}, 502, "upstream_error", 0},
		"bad chunks": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
		}, 0, "", 0},
		"a body cut short": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		}, 0, "", 0},
		"a body that stops": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
			wait(c)
		}, 0, "", 6000},
	} {
		t.Run(name, func(t *testing.T) {
			addr := refusing
			if c.behave != nil {
				addr = raw(t, c.behave)
			}
			e := faulty(t, addr, cmp.Or(c.ms, patient))
			before := runtime.NumGoroutine()
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			var wg sync.WaitGroup
			for range 50 { // far more than settles overlooks
				wg.Go(func() {
					var body []byte
					resp, err := client.Get(e.url + "/bad")
					if err == nil {
						body, err = io.ReadAll(resp.Body)
						_ = resp.Body.Close()
					}
					if c.status == 0 {
						assert.Error(t, err, "a truncated answer must not look whole")
						return
					}
					if !assert.NoError(t, err) {
						return
					}
					assert.Equal(t, c.status, resp.StatusCode)
					assert.Contains(t, string(body), c.code)
					assert.NotContains(t, string(body), addr, "the upstream's address is nobody's business")
					assert.NotContains(t, fmt.Sprint(resp.Header), addr)
				})
			}
			wg.Wait()
			if c.status != 0 {
				assert.Contains(t, e.log.String(), "upstream failed")
			}
			assert.Equal(t, 200, e.get("/good").status)
			settles(t, before)
		})
	}
}

// settles waits until no more goroutines run than before, and a few that
// httptest's servers keep for a moment.
func settles(t *testing.T, before int) {
	t.Helper()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+6 }, 60*time.Second, 20*time.Millisecond,
		"%d goroutines before, %d now", before, runtime.NumGoroutine())
}

func TestAnEndlessBodyEndsWithItsClient(t *testing.T) {
	ended := make(chan struct{})
	e := faulty(t, raw(t, func(c net.Conn) {
		defer close(ended)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			if _, err := io.WriteString(c, "1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n"); err != nil {
				return
			}
		}
	}), patient)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "GET", e.url+"/bad", nil)
	resp, err := (&http.Transport{}).RoundTrip(r)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, resp.Body, 1<<20)
	require.NoError(t, err)
	cancel()
	_ = resp.Body.Close()
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		t.Fatal("the upstream is still being read")
	}
	settles(t, before)
}

func TestAnUploadIsNotRetriedOnceSomeOfItIsSent(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	e := faulty(t, raw(t, func(net.Conn) { mu.Lock(); asked++; mu.Unlock() }), patient)
	assert.Equal(t, 502, do(t, "POST", e.url+"/bad", "body").status)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, 1, asked)
}

func TestASlowUpstreamIsAskedOnce(t *testing.T) {
	t.Parallel() // most of it is waiting
	var asked atomic.Int32
	ended := make(chan struct{})
	e := before(t, func(w http.ResponseWriter, r *http.Request) {
		wait := ended
		if r.URL.Path == "/api/slow" {
			asked.Add(1)
		} else { // so long that what the connection waits for has begun before the slow request does
			wait = make(chan struct{})
			time.AfterFunc(150*time.Millisecond, func() { close(wait) })
		}
		select {
		case <-wait:
			_, _ = io.WriteString(w, "warm")
		case <-r.Context().Done():
		}
	}, "")
	defer close(ended)
	require.Equal(t, 200, e.form("PATCH", "/services/svc", "read_timeout", "2000").status)
	require.Equal(t, "warm", e.get("/api").body, "so that a connection to the upstream waits")
	r := e.get("/api/slow")
	assert.Equal(t, 504, r.status)
	assert.EqualValues(t, 1, asked.Load())
}

// balanced is a gateway before an upstream with several targets, with timeouts
// of ms.
func balanced(t *testing.T, ms int, checks string, targets ...string) *edge {
	t.Helper()
	var list strings.Builder
	for _, a := range targets {
		fmt.Fprintf(&list, "      - target: %s\n", a)
	}
	return start(t, fmt.Sprintf(`_format_version: "3.0"
upstreams:
  - name: pool.internal
    healthchecks: {passive: {unhealthy: {%[1]s}, healthy: {successes: 1}}}
    targets:
%[2]sservices:
  - name: svc
    host: pool.internal
    retries: 0
    connect_timeout: %[3]d
    read_timeout: %[3]d
    routes: [{name: r, paths: [/]}]
`, checks, list.String(), ms))
}

func TestATargetThatFailsIsLeftOut(t *testing.T) {
	t.Parallel() // most of it is waiting
	good := echo(t).Listener.Addr().String()
	failing := raw(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	})
	for name, c := range map[string]struct {
		checks, bad string
		want, ms    int
	}{
		"refused":      {"tcp_failures: 2", refusing, 502, patient},
		"bad statuses": {"http_failures: 2", failing, 503, patient},
		"timeouts":     {"timeouts: 2", raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), 504, 3000}, // the good one needs less
	} {
		e := balanced(t, c.ms, c.checks, c.bad, good)
		seen := map[int]int{}
		for range 20 {
			seen[e.get("/").status]++
		}
		assert.Equal(t, map[int]int{200: 18, c.want: 2}, seen, name)
		health := map[any]any{}
		for _, one := range do(t, "GET", e.admin+"/upstreams/pool.internal/health", "").json(t)["data"].([]any) { //nolint:forcetypeassert // as documented
			row, _ := one.(map[string]any)
			health[row["target"]] = row["health"]
		}
		assert.Equal(t, map[any]any{c.bad: "UNHEALTHY", good: "HEALTHY"}, health, name)
		assert.Equal(t, 204, do(t, "PUT", e.admin+"/upstreams/pool.internal/targets/"+c.bad+"/healthy", "").status)
		assert.NotContains(t, do(t, "GET", e.admin+"/upstreams/pool.internal/health", "").body, "UNHEALTHY")
	}
}

func TestWithoutAHealthyTargetTheAnswerIs503(t *testing.T) {
	e := balanced(t, patient, "tcp_failures: 1", refusing)
	assert.Equal(t, 502, e.get("/").status)
	r := e.get("/")
	assert.Equal(t, 503, r.status)
	assert.Equal(t, "upstream_unavailable", r.json(t)["code"])
	assert.Equal(t, 404, do(t, "PUT", e.admin+"/upstreams/pool.internal/targets/x:1/healthy", "").status)
	assert.Equal(t, 404, do(t, "GET", e.admin+"/upstreams/none/health", "").status)
}

func TestAnotherTargetIsTriedWhereNothingWasSent(t *testing.T) {
	good := echo(t).Listener.Addr().String()
	e := balanced(t, patient, "tcp_failures: 0", refusing, good)
	require.Equal(t, 200, e.form("PATCH", "/services/svc", "retries", "1").status)
	for range 10 {
		r := do(t, "POST", e.url+"/", "the whole body")
		require.Equal(t, 200, r.status)
		assert.Equal(t, "the whole body", r.json(t)["body"])
	}
}

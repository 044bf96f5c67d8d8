package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stream is n bytes that are nowhere at once.
type stream struct {
	left int64
	sum  hash.Hash
}

func (s *stream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.left))
	for i := range p[:n] {
		p[i] = byte(s.left - int64(i))
	}
	s.left -= int64(n)
	_, _ = s.sum.Write(p[:n])
	return n, nil
}

// resident is how much memory a process has, in MB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kb >> 10
}

// TestBarNothingFailsUnderLoad has all at once: a file that is read again and again, a
// dead target, an upstream that is too slow, sockets that idle, and bodies of 200 MB.
func TestBarNothingFailsUnderLoad(t *testing.T) {
	if os.Getenv("RAMPART_BARS") != "1" {
		t.Skip("RAMPART_BARS=1 runs it")
	}
	const size = 200 << 20
	var slow atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			slow.Add(1)
			<-r.Context().Done()
		case "/body": // back comes its hash, and as much again
			sum := sha256.New()
			_, _ = io.Copy(sum, r.Body)
			w.Header().Set("X-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
			w.Header().Set("Trailer", "X-Sent")
			sent := &stream{left: size, sum: sha256.New()}
			_, _ = io.Copy(w, sent)
			w.Header().Set("X-Sent", fmt.Sprintf("%x", sent.sum.Sum(nil)))
		default:
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "ok")
		}
	}))
	defer up.Close()
	name := filepath.Join(t.TempDir(), "kong.yml")
	write := func(turn int) {
		require.NoError(t, os.WriteFile(name, fmt.Appendf(nil, `_format_version: "3.0"
upstreams:
  - name: pool.internal
    healthchecks: {passive: {unhealthy: {tcp_failures: 1}, healthy: {successes: 1}}}
    targets: [{target: %[1]s}, {target: "127.0.0.1:1"}]
services:
  - {name: pool, host: pool.internal, routes: [{name: fast, paths: [/fast]}]}
  - {name: slow, url: "http://%[1]s/slow", read_timeout: 1000, routes: [{name: slow, paths: [/slow]}]}
  - {name: body, url: "http://%[1]s/body", routes: [{name: body, paths: [/body]}]}
plugins:
  - {name: security-headers}
  - {name: rate-limiting, config: {second: %[2]d, limit_by: ip}}
  - {name: prometheus}
`, up.Listener.Addr(), 1_000_000+turn), 0o600))
	}
	write(0)
	p := startProcess(t, nil, "-config", name, "-access-log", "")
	url := p.proxy
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()

	idle := make([]net.Conn, 500)
	for i := range idle {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n")
		in := bufio.NewReader(conn)
		for status := 103; status == 103; { // and its answer
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			status = resp.StatusCode
		}
		idle[i] = conn
	}
	before := resident(t, p.cmd.Process.Pid)

	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	var wg sync.WaitGroup
	var asked, failed, reloads, slowly, bodies atomic.Int64
	fail := func(format string, args ...any) {
		if failed.Add(1) <= 5 {
			t.Errorf(format, args...)
		}
	}
	until := func(n int, do func()) {
		for range n {
			wg.Go(func() {
				for ctx.Err() == nil {
					do()
				}
			})
		}
	}
	until(16, func() {
		asked.Add(1)
		resp, err := client.Get(url + "/fast")
		if err != nil || resp.StatusCode != 200 {
			fail("fast: %v %v", resp, err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	})
	until(8, func() {
		slowly.Add(1)
		resp, err := client.Get(url + "/slow")
		if err != nil || resp.StatusCode != http.StatusGatewayTimeout {
			fail("slow: %v %v", resp, err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	})
	until(2, func() {
		bodies.Add(1)
		sent := &stream{left: size, sum: sha256.New()}
		resp, err := client.Post(url+"/body", "application/octet-stream", sent)
		if err != nil {
			fail("body: %v", err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		got := sha256.New()
		n, err := io.Copy(got, resp.Body)
		if err != nil || n != size || resp.Header.Get("X-Sum") != fmt.Sprintf("%x", sent.sum.Sum(nil)) || resp.Trailer.Get("X-Sent") != fmt.Sprintf("%x", got.Sum(nil)) {
			fail("body: %d bytes, %v %v", n, err, resp.Trailer)
		}
	})
	var most [2]int // in each half of the time
	begin := time.Now()
	until(1, func() {
		write(int(reloads.Add(1)))
		_ = p.cmd.Process.Signal(syscall.SIGHUP)
		time.Sleep(100 * time.Millisecond)
		half := min(int(time.Since(begin)/(15*time.Second)), 1)
		most[half] = max(most[half], resident(t, p.cmd.Process.Pid))
	})
	wg.Wait()

	for _, conn := range idle { // they still serve
		_, err := io.WriteString(conn, "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		in := bufio.NewReader(conn)
		for status := 103; status == 103; {
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			if status = resp.StatusCode; status != 103 {
				assert.Equal(t, 200, status)
			}
		}
	}
	t.Logf("%d requests, %d slow ones (%d reached the upstream), %d × 200 MB there and back, %d reloads, 500 idle sockets: %d failed; memory %d MB before, at most %d MB in each half",
		asked.Load(), slowly.Load(), slow.Load(), bodies.Load(), reloads.Load(), failed.Load(), before, most)
	assert.Zero(t, failed.Load())
	assert.Equal(t, slowly.Load(), slow.Load(), "each is sent once")
	assert.LessOrEqual(t, max(most[0], most[1]), 128, "less than one body")
	assert.LessOrEqual(t, most[1], most[0]+32, "it does not grow")
	assert.NotContains(t, p.stderr.String(), "panic")
}

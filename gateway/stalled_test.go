package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listen runs the gateway on listeners of its own, with a short time for bodies.
func listen(t *testing.T, timeout time.Duration, config string) (proxy, admin string) {
	t.Helper()
	return serve(t, gateway.Config{BodyTimeout: timeout, Logger: slog.New(slog.DiscardHandler)}, strings.ReplaceAll(config, "UPSTREAM", echo(t).URL))
}

// serve runs a gateway on two listeners.
func serve(t *testing.T, cfg gateway.Config, config string) (proxy, admin string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, err := gateway.New(cfg)
	require.NoError(t, err)
	require.NoError(t, g.Use(ctx, []byte(config)))
	local := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		return ln
	}
	on := gateway.Listeners{Proxy: local(), Admin: local()}
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, on) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.NoError(t, g.Close())
	})
	return on.Proxy.Addr().String(), on.Admin.Addr().String()
}

func TestABodyThatStallsIsAnsweredAndItsConnectionEnds(t *testing.T) {
	t.Parallel() // most of it is waiting
	proxy, admin := listen(t, time.Second, `_format_version: "3.0"
services:
  - name: s
    url: UPSTREAM
    routes:
      - {name: open, paths: [/open]}
      - {name: closed, paths: [/closed], plugins: [{name: key-auth}]}
`)
	for _, c := range []struct {
		addr, path, body string
		status           int
	}{
		{proxy, "/none", "Content-Length: 100\r\n\r\n", 404},
		{proxy, "/none", "Transfer-Encoding: chunked\r\n\r\n", 404},
		{proxy, "/closed", "Content-Length: 100\r\n\r\n", 401},
		{proxy, "/closed", "Transfer-Encoding: chunked\r\n\r\n3\r\nab", 401},
		{proxy, "/open", "Content-Length: 100\r\n\r\n", 408},
		{proxy, "/open", "Content-Length: 100\r\n\r\n0123456789", 408},
		{proxy, "/open", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", 408},
		{proxy, "/open", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{admin, "/services", "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 408},
	} {
		t.Run(fmt.Sprintf("%s %q", c.path, c.body), func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", c.addr)
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, err = io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\nHost: localhost\r\n"+c.body)
			require.NoError(t, err)
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			assert.Equal(t, c.status, resp.StatusCode)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			_, err = in.ReadByte()
			require.Error(t, err)
			assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the gateway closes it")
		})
	}
}

func TestABodyMayLastAsLongAsItMoves(t *testing.T) {
	t.Parallel() // most of it is waiting
	proxy, _ := listen(t, 5*time.Second, one("  - {name: prometheus}\n"))
	conn, err := net.Dial("tcp", proxy)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	part := strings.Repeat("x", 8<<10) // as much as may take 16 s
	_, err = fmt.Fprintf(conn, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 8*len(part))
	require.NoError(t, err)
	for range 8 {
		time.Sleep(800 * time.Millisecond) // all together more than the time for a part
		_, err = io.WriteString(conn, part)
		require.NoError(t, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Contains(t, string(body), strings.Repeat(part, 8))
}

func TestABodyOfAByteNowAndThenEnds(t *testing.T) {
	t.Parallel() // most of it is waiting
	proxy, _ := listen(t, time.Second, one("  - {name: prometheus}\n"))
	for _, c := range []struct{ header, part string }{
		{"Content-Length: 100000", "x"},
		{"Transfer-Encoding: chunked", "1\r\nx\r\n"},
	} {
		conn, err := net.Dial("tcp", proxy)
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST /api HTTP/1.1\r\nHost: a\r\n"+c.header+"\r\n\r\n")
		require.NoError(t, err)
		answered := make(chan struct{})
		go func() {
			for {
				select {
				case <-answered:
					return
				case <-time.After(100 * time.Millisecond):
					_, _ = io.WriteString(conn, c.part)
				}
			}
		}()
		_ = conn.SetReadDeadline(time.Now().Add(60 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		close(answered)
		require.NoError(t, err, c.header)
		assert.Equal(t, 408, resp.StatusCode, c.header)
		_ = conn.Close()
	}
}

func TestABodyThatStallsOverHTTP2IsAnswered(t *testing.T) {
	t.Parallel() // most of it is waiting
	e := start(t, one(""), func(c *gateway.Config) { c.BodyTimeout = time.Second })
	e.addCertificate("localhost")
	r, stall := io.Pipe()
	defer func() { _ = stall.Close() }()
	go func() { _, _ = io.WriteString(stall, "the beginning") }()
	h2 := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer h2.CloseIdleConnections()
	resp, err := h2.RoundTrip(mustRequest(t, "POST", "https://"+e.serveTLS()+"/api", r))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	assert.Equal(t, 2, resp.ProtoMajor)
	assert.Equal(t, 408, resp.StatusCode)
}

func TestAnAnswerMayWaitAfterTheBodyHasEnded(t *testing.T) {
	t.Parallel() // most of it is waiting
	slow := raw(t, func(c net.Conn) {
		time.Sleep(2 * time.Second)                                                                     // more than the time for a part of the body
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok") // and raw closes
	})
	proxy, _ := listen(t, time.Second, `_format_version: "3.0"
services: [{name: s, url: "http://`+slow+`", routes: [{name: r, paths: [/]}]}]
`)
	for _, body := range []string{"Content-Length: 2\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"} {
		conn, err := net.Dial("tcp", proxy)
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n"+body)
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, 200, resp.StatusCode)
		_ = conn.Close()
	}
}

func TestAStalledBodyIsNotTheTargetsFault(t *testing.T) {
	proxy, _ := listen(t, 300*time.Millisecond, `_format_version: "3.0"
upstreams:
  - name: u.internal
    healthchecks: {passive: {unhealthy: {tcp_failures: 1, timeouts: 1}}}
    targets: [{target: "`+echo(t).Listener.Addr().String()+`"}]
services: [{name: s, host: u.internal, routes: [{name: r, paths: [/]}]}]
`)
	for _, body := range []string{"Content-Length: 9\r\n\r\na", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"} {
		conn, err := net.Dial("tcp", proxy)
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n"+body)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, conn)
		require.NoError(t, err)
		_ = conn.Close()
		assert.Equal(t, 200, do(t, "GET", "http://"+proxy+"/", "").status)
	}
}

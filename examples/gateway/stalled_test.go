package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listen runs the gateway on listeners of its own, with a short time for bodies.
func listen(t *testing.T, timeout time.Duration, config string) (proxy, admin string) {
	t.Helper()
	text := []byte(strings.ReplaceAll(config, "UPSTREAM", echo(t).URL))
	ctx, cancel := context.WithCancel(context.Background())
	s := &settings{resolve: map[string]string{}, addr: "127.0.0.1:0", admin: "127.0.0.1:0", bodyTimeout: timeout}
	g, err := open(ctx, s, text, io.Discard, io.Discard)
	require.NoError(t, err)
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- g.serve(ctx, w) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		_ = r.Close()
	})
	lines := bufio.NewReader(r)
	for range 2 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		what, addr, _ := strings.Cut(strings.TrimSpace(line), " listens on ")
		if what == "Admin API" {
			admin = addr
		} else {
			proxy = addr
		}
	}
	return proxy, admin
}

func TestABodyThatStallsIsAnsweredAndItsConnectionEnds(t *testing.T) {
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
	proxy, _ := listen(t, 5*time.Second, one("  - {name: prometheus}\n"))
	conn, err := net.Dial("tcp", proxy)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n")
	require.NoError(t, err)
	for i := range 8 {
		time.Sleep(800 * time.Millisecond) // all together more than the time for a part
		_, err = fmt.Fprint(conn, i)
		require.NoError(t, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Contains(t, string(body), `"body":"01234567"`)
}

func TestAnAnswerMayWaitAfterTheBodyHasEnded(t *testing.T) {
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

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// admin returns where the operators' listener of a process is.
func (p *process) admin(t *testing.T) *service {
	t.Helper()
	m := regexp.MustCompile(`(?m)^For operators: (http://\S+)/health`).FindStringSubmatch(p.greet)
	require.NotNil(t, m, p.greet)
	return &service{t: t, url: m[1]}
}

func TestOperatorsHaveAListenerOfTheirOwn(t *testing.T) {
	// Neither the rule for hosts nor that for https stands before it, and no limit.
	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), "-hosts", "api.example.com", "-anon-rate", "1/hour", "-user-rate", "1/hour")
	operators := p.admin(t)
	for range 20 {
		require.Equal(t, 200, operators.do("GET", "/metrics", "").status)
	}
	p.do("GET", "/api/public/", "")
	assert.Contains(t, operators.do("GET", "/metrics", "").body, `rampart_events_total{event="malicious_host"`)
	assert.Equal(t, 404, operators.do("GET", "/debug/pprof/", "").status, "profiles are asked for")
	assert.Equal(t, 404, operators.do("GET", "/api/ops/", "").status, "no order is given without a credential")
	assert.Equal(t, 405, operators.do("POST", "/metrics", "").status)
	assert.Equal(t, 421, operators.do("GET", "/health", "", "Host: evil.example").status)
	assert.NotEqual(t, 200, p.do("GET", "/metrics", "").status, "the public listener has none of it")

	var page struct {
		Status string
		Checks map[string]struct {
			OK   bool
			Info map[string]any
		}
	}
	a := operators.do("GET", "/health", "")
	require.Equal(t, 200, a.status)
	require.NoError(t, json.Unmarshal([]byte(a.body), &page))
	assert.Equal(t, "ok", page.Status)
	assert.Equal(t, "SQLite", page.Checks["database"].Info["dialect"])
	assert.Equal(t, map[string]any{"apikeysql": 1.0, "authsql": 2.0, "feedsql": 2.0, "incidentsql": 1.0}, page.Checks["database"].Info["schema"])
	assert.Equal(t, map[string]any{"instances": 1.0}, page.Checks["feed"].Info)

	none := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), "-admin-addr", "off")
	assert.NotContains(t, none.greet, "For operators")
	profiled := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), "-pprof", "-demo")
	assert.Equal(t, 200, profiled.admin(t).do("GET", "/debug/pprof/goroutine?debug=1", "").status)
	assert.Equal(t, 404, profiled.admin(t).do("GET", "/debug/pprof/cmdline", "").status, "a flag may hold a password")
}

func TestALoadBalancerSeesTheDrainBeforeTheListenerCloses(t *testing.T) {
	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), "-drain", "2s")
	operators := p.admin(t)
	require.Equal(t, 200, p.do("GET", "/healthz", "").status)
	began := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return p.do("GET", "/healthz", "").status == 503 }, time.Second, time.Millisecond)
	a := p.do("GET", "/api/public/", "")
	assert.Equal(t, 200, a.status, "it serves on, new connections, too")
	assert.Equal(t, 200, operators.do("GET", "/livez", "").status)
	assert.Contains(t, operators.do("GET", "/health", "").body, `"status":"draining"`)
	_ = p.cmd.Wait()
	assert.Equal(t, 0, p.cmd.ProcessState.ExitCode(), p.stderr)
	assert.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	_, err := net.DialTimeout("tcp", strings.TrimPrefix(operators.url, "http://"), time.Second)
	assert.Error(t, err)
}

// An upload that does not come is answered, and does not hold the end up.
func TestATerminatedServerDoesNotWaitForAStalledUpload(t *testing.T) {
	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /api/register/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n{")
	answers := bufio.NewReader(conn)
	wait, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.NoError(t, wait.Body.Close())
	began := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	resp, err := http.ReadResponse(answers, nil)
	require.NoError(t, err, "it is answered")
	defer resp.Body.Close()
	t.Logf("answered with %d after %v", resp.StatusCode, time.Since(began))
	_ = p.cmd.Wait()
	assert.Equal(t, 0, p.cmd.ProcessState.ExitCode(), p.stderr)
	assert.Less(t, time.Since(began), 10*time.Second)
}

// A client that asks and never reads is cut off, and makes the end no failure.
func TestATerminatedServerDoesNotWaitForAClientThatReadsNothing(t *testing.T) {
	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), wide...)
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	ask := "GET /x HTTP/1.1\r\nHost: localhost\r\nPadding: " + strings.Repeat("x", 2000) + "\r\n\r\n"
	for err == nil { // until the server cannot write its responses
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(3*time.Second)))
		_, err = io.WriteString(conn, ask)
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	began := time.Now()
	assert.Equal(t, 0, p.stop(t), p.stderr)
	assert.Less(t, time.Since(began), 10*time.Second)
	assert.Contains(t, p.stderr.String(), "connections that were still busy were closed")
}

// A database that hangs while the server starts, and a password that is not typed, are
// waited for until SIGTERM, and no longer.
func TestATerminationEndsTheStartAndTheCommands(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := ln.Accept(); err == nil {
			cancel()
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	env := map[string]string{"ECOLAURA_SECRET_KEY": rand.Text() + rand.Text(), "ECOLAURA_FERNET_KEYS": fernet.GenerateKey().Reveal()}
	getenv := func(name string) string { return env[name] }
	var log bytes.Buffer
	assert.Equal(t, 0, run(ctx, []string{"-db", "postgres://u:hidden@" + ln.Addr().String() + "/x?sslmode=disable"}, getenv, nil, io.Discard, &log))
	assert.Contains(t, log.String(), "stopped before it served")
	assert.NotContains(t, log.String(), "hidden")

	ctx, cancel = context.WithCancel(t.Context())
	stdin, typing := io.Pipe()
	defer typing.Close()
	go func() {
		_, _ = io.WriteString(typing, "half a pass")
		cancel()
	}()
	log.Reset()
	assert.Equal(t, 1, run(ctx, []string{"-db", filepath.Join(t.TempDir(), "ecolaura.db"), "user", "add", "olga"}, getenv, stdin, io.Discard, &log))
	assert.Contains(t, log.String(), "context canceled")
}

// What reads the log has stopped reading: requests are served, losses are counted, and
// the end comes.
func TestAStalledLogReaderHoldsUpNothing(t *testing.T) {
	name, err := binary()
	require.NoError(t, err)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	cmd := exec.Command(name, append([]string{"-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "ecolaura.db"), "-log-format", "json", "-trusted-proxies", "127.0.0.0/8"}, wide...)...)
	cmd.Stdout, cmd.Stderr = writer, writer // as under a supervisor
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.NoError(t, writer.Close())
	p := &process{cmd: cmd}
	began := time.Now()
	lines := bufio.NewReader(reader)
	for p.url == "" {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		p.greet += line
		if rest, ok := strings.CutPrefix(line, "Listening on "); ok {
			url, _, _ := strings.Cut(rest, " ")
			p.service = service{t: t, url: url, behindProxy: true}
		}
	}
	operators := p.admin(t)
	long := strings.Repeat("x", 4000)
	dropped := func() float64 {
		var page struct {
			Checks map[string]struct{ Info map[string]any }
		}
		require.NoError(t, json.Unmarshal([]byte(operators.do("GET", "/health", "").body), &page))
		n, _ := page.Checks["log"].Info["dropped"].(float64)
		return n
	}
	for i := 0; dropped() == 0; i++ {
		require.Less(t, i, 100, "nothing is dropped")
		for j := range 200 { // each from another address: few are folded
			a := p.do("GET", "/api/keys/"+long, "", fmt.Sprintf("X-Forwarded-For: 10.0.%d.%d", i, j))
			require.Equal(t, 401, a.status)
		}
	}
	t.Logf("the queue is full after %v", time.Since(began))
	began = time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	assert.Equal(t, 0, cmd.ProcessState.ExitCode())
	assert.Less(t, time.Since(began), 10*time.Second)
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	assert.Contains(t, string(rest), `"level":"`)
}

func TestAnAddressThatIsTakenIsASentence(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	name, err := binary()
	require.NoError(t, err)
	for _, flag := range []string{"-addr", "-admin-addr"} {
		out, status := runBinary(t, name, "-addr", "127.0.0.1:0", flag, taken.Addr().String())
		assert.Equal(t, 1, status)
		assert.Contains(t, out, "another program listens on "+taken.Addr().String()+" already: stop it or choose another address")
	}
}

func TestTheVersionNamesWhatTheProgramWasBuiltWith(t *testing.T) {
	name, err := binary()
	require.NoError(t, err)
	out, status := runBinary(t, name, "-version")
	assert.Equal(t, 0, status)
	assert.Regexp(t, `^api \S+.* \(go1\.\d+\S*, \w+/\w+\)\n$`, out)
}

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// binary builds the gateway once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rampart-gateway-*")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "gateway")
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	if up := os.Getenv("BARE_PROXY"); up != "" {
		bare(up)
		return
	}
	status := m.Run()
	if name, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(status)
}

// process is the gateway as an operator runs it.
type process struct {
	proxy, tls, admin string
	cmd               *exec.Cmd
	stderr            *logBuffer
}

func startProcess(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	name, err := binary()
	require.NoError(t, err)
	p := &process{stderr: &logBuffer{}}
	p.cmd = exec.Command(name, append([]string{"-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}, env...)
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	lines := bufio.NewReader(stdout)
	for range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, "%s", p.stderr)
		what, addr, _ := strings.Cut(strings.TrimSpace(line), " listens on ")
		switch what {
		case "Proxy":
			p.proxy = "http://" + addr
		case "Proxy with TLS":
			p.tls = addr
		case "Admin API":
			p.admin = "http://" + addr
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return p
}

func (p *process) stop() int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// ends runs the gateway for an answer of its own.
func ends(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	name, err := binary()
	require.NoError(t, err)
	cmd := exec.Command(name, args...)
	var out, bad strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &bad
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), bad.String()
}

func TestItStartsWithNothingAndIsConfiguredByCurl(t *testing.T) {
	up := upstream(t)
	p := startProcess(t, []string{"GATEWAY_RESOLVE=your-django-app=" + up.Listener.Addr().String()})
	form := "Content-Type: application/x-www-form-urlencoded"
	for path, body := range map[string]string{
		"/services/": "name=my-django-service&url=http://your-django-app:8000",
	} {
		require.Equal(t, 201, do(t, "POST", p.admin+path, body, form).status)
	}
	require.Equal(t, 201, do(t, "POST", p.admin+"/services/my-django-service/routes", "paths=/api/", form).status)
	require.Equal(t, 201, do(t, "POST", p.admin+"/services/my-django-service/plugins", "name=rate-limiting&config.hour=5", form).status)
	var statuses []int
	for range 6 {
		statuses = append(statuses, do(t, "GET", p.proxy+"/api/", "").status)
	}
	assert.Equal(t, []int{200, 200, 200, 200, 200, 429}, statuses)
	assert.Equal(t, 400, options(t, p.proxy))
	assert.Contains(t, p.stderr.String(), "excess_rate_limit_exceeded")
	assert.Equal(t, 0, p.stop())
}

// options sends OPTIONS *, which net/http's client does not.
func options(t *testing.T, url string) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

func TestSIGHUPReadsTheFileAgain(t *testing.T) {
	p := startProcess(t, nil, "-config", kongFile, "-access-log", "")
	require.Equal(t, 201, do(t, "POST", p.admin+"/services", `{"name":"only-in-memory","host":"a"}`, "Content-Type: application/json").status)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool { return do(t, "GET", p.admin+"/services/only-in-memory", "").status == 404 }, 20*time.Second, 50*time.Millisecond)
	assert.Contains(t, p.stderr.String(), "configuration in use")
	assert.Equal(t, 0, p.stop())
}

func TestItRunsAKongFile(t *testing.T) {
	p := startProcess(t, nil, "-config", kongFile, "-access-log", filepath.Join(t.TempDir(), "access.log"))
	r := do(t, "GET", p.proxy+"/legacy/v0/x", "")
	assert.Equal(t, 410, r.status)
	assert.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
	assert.NotEmpty(t, r.header.Get("X-Correlation-Id"))
	assert.Equal(t, 401, do(t, "GET", p.proxy+"/catalog", "").status)
	assert.Equal(t, 426, do(t, "GET", p.proxy+"/payments", "").status)
	assert.Equal(t, 0, p.stop())
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	status, stdout, _ := ends(t, "-check", "-config", kongFile)
	assert.Equal(t, 0, status)
	assert.Contains(t, stdout, "good: 13 services, 42 routes")

	bad := filepath.Join(t.TempDir(), "bad.yml")
	require.NoError(t, os.WriteFile(bad, []byte(`_format_version: "3.0"
services:
  - name: a
    url: http://a
    color: red
    routes:
      - {name: r, paths: ["~/(?!x)"]}
    plugins:
      - name: rate-limiting
        config: {secnd: 5}
`), 0o600))
	status, _, stderr := ends(t, "-check", "-config", bad)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, bad+":5: services[0].color: unknown field")
	assert.Contains(t, stderr, bad+":7: services[0].routes[0].paths[0]: not a regular expression")
	assert.Contains(t, stderr, bad+":10: services[0].plugins[0].config.secnd: unknown field (second?)")
	assert.Contains(t, stderr, bad+":10: services[0].plugins[0].config: at least one of")

	redis := filepath.Join(t.TempDir(), "redis.yml")
	require.NoError(t, os.WriteFile(redis, []byte("_format_version: \"3.0\"\nplugins:\n- name: rate-limiting\n  config: {second: 5, policy: redis}\n"), 0o600))
	status, _, stderr = ends(t, "-check", "-config", redis)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, redis+":4: plugins[0].config.policy: redis needs -redis")
}

func TestWrongFlagsAreAllListed(t *testing.T) {
	status, _, stderr := ends(t, "-addr", "nonsense", "-admin", "0.0.0.0:0", "-trusted-proxies", "0.0.0.0/0", "-check", "extra")
	assert.Equal(t, 2, status)
	for _, want := range []string{"-addr: not host:port", "-admin: not a loopback address", "-trusted-proxies: rampart.Proxies.Prefixes: too_wide", "-check: goes with -config", "unexpected argument"} {
		assert.Contains(t, stderr, want)
	}
	status, _, stderr = ends(t, "-redis", "redis://:pass word@x:y")
	assert.Equal(t, 1, status)
	assert.NotContains(t, stderr, "pass word")
	status, _, _ = ends(t, "-resolve", "a")
	assert.Equal(t, 2, status)
	status, _, stderr = ends(t, "-config", "missing.yml")
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "missing.yml")
}

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// bare is what this test binary is when BARE_PROXY is set: a
// httputil.ReverseProxy and nothing else.
func bare(upstream string) {
	to, err := url.Parse(upstream)
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("Proxy listens on %s\n", ln.Addr())
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 1024, 256
	_ = http.Serve(ln, &httputil.ReverseProxy{Transport: t, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
}

// rival is a proxy in a process of its own.
type rival struct {
	name string
	url  string
	cmd  *exec.Cmd
}

func startRival(t *testing.T, name string, cmd *exec.Cmd) *rival {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	line := make([]byte, 200)
	n, err := out.Read(line)
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(line[:n]), "\n")
	_, addr, _ := strings.Cut(first, " listens on ")
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return &rival{name: name, url: "http://" + addr, cmd: cmd}
}

// startNginx starts one worker that passes on, limits and sets headers; nil if
// there is no nginx.
func startNginx(t *testing.T, upstream string) *rival {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		return nil
	}
	addr := freeAddr(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 2048; }
http {
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  access_log %[1]s/access.log;
  limit_req_zone $binary_remote_addr zone=z:10m rate=1000000r/s;
  upstream up { server %[2]s; keepalive 256; keepalive_requests 100000000; }
  server {
    listen %[3]s; keepalive_requests 100000000;
    location / {
      limit_req zone=z burst=1000000 nodelay;
      proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-Host $host;
      add_header X-Content-Type-Options nosniff; add_header X-Frame-Options DENY; add_header Referrer-Policy no-referrer;
      add_header Content-Security-Policy "default-src 'none'"; add_header Cross-Origin-Resource-Policy same-origin;
      add_header X-Permitted-Cross-Domain-Policies none; add_header Permissions-Policy "camera=()"; add_header Cache-Control no-store;
    }
  }
}`, dir, strings.TrimPrefix(upstream, "http://"), addr), 0o600))
	cmd := exec.Command(path, "-c", file, "-p", dir)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
	return &rival{name: "nginx", url: "http://" + addr, cmd: cmd}
}

// cpu returns the processor time of a process and its children so far.
func (r *rival) cpu(t *testing.T) time.Duration {
	t.Helper()
	ids := []string{strconv.Itoa(r.cmd.Process.Pid)}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", r.cmd.Process.Pid, r.cmd.Process.Pid))
	ids = append(ids, strings.Fields(string(children))...)
	var ticks int
	for _, id := range ids {
		stat, err := os.ReadFile("/proc/" + id + "/stat")
		require.NoError(t, err)
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		ticks += user + system
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// request is one as a page's script sends it, with its key.
func (r *rival) request() *http.Request {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.url+"/api/x", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Origin", "https://shop.example")
	req.Header.Set("Apikey", barKey)
	return req
}

const barKey = "4f1c2b7d9e6a4f1c2b7d9e6a4f1c2b7d"

// saturate sends n requests over some connections and returns their rate.
func (r *rival) saturate(t *testing.T, n int) float64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	begin := time.Now()
	for range 32 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				resp, err := client.Do(r.request())
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("%s: %v %v", r.name, resp, err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(begin).Seconds()
}

// pace sends requests at a rate, whatever becomes of them, and returns the 99th
// percentile of their times.
func (r *rival) pace(t *testing.T, rate float64, n int) time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	times := make([]time.Duration, n)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range n {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		wg.Go(func() {
			resp, err := client.Do(r.request())
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			times[i] = time.Since(due)
		})
	}
	wg.Wait()
	slices.Sort(times)
	return times[n*99/100]
}

const (
	guardedName = "gateway, key, limits, cors"
	lazyName    = "bare, GOGC=400"
)

func TestBarCPUPerRequestBesideNginxAndABareProxy(t *testing.T) {
	if os.Getenv("RAMPART_BARS") != "1" {
		t.Skip("RAMPART_BARS=1 measures it")
	}
	body := []byte(strings.Repeat("x", 512))
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer up.Close()
	config := filepath.Join(t.TempDir(), "kong.yml")
	require.NoError(t, os.WriteFile(config, []byte(strings.ReplaceAll(`_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM
    routes:
      - {name: r, paths: [/api], strip_path: false}
plugins:
  - {name: rate-limiting, config: {second: 1000000, limit_by: ip}}
  - {name: security-headers}
`, "UPSTREAM", up.URL)), 0o600))
	guarded := filepath.Join(t.TempDir(), "guarded.yml")
	require.NoError(t, os.WriteFile(guarded, []byte(strings.NewReplacer("UPSTREAM", up.URL, "KEY", barKey).Replace(`_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM
    routes:
      - {name: r, paths: [/api], strip_path: false}
plugins:
  - {name: key-auth}
  - {name: rate-limiting, config: {second: 1000000, hour: 100000000}}
  - {name: cors, config: {origins: ["https://shop.example"], credentials: true, exposed_headers: [X-Total]}}
consumers:
  - {username: shop, keyauth_credentials: [{key: KEY}]}
`)), 0o600))
	name, err := binary()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	bareCmd, lazyCmd := exec.Command(self), exec.Command(self)
	bareCmd.Env = append(os.Environ(), "BARE_PROXY="+up.URL)
	lazyCmd.Env = append(os.Environ(), "BARE_PROXY="+up.URL, "GOGC=400") // as the gateway sets it for itself
	log := filepath.Join(t.TempDir(), "access.log")
	rivals := []*rival{
		startRival(t, "bare", bareCmd),
		startRival(t, lazyName, lazyCmd),
		startRival(t, "gateway", exec.Command(name, "-addr", "127.0.0.1:0", "-admin", "", "-config", config, "-access-log", log)),
		startRival(t, "gateway, no access log", exec.Command(name, "-addr", "127.0.0.1:0", "-admin", "", "-config", config, "-access-log", "")),
		startRival(t, guardedName, exec.Command(name, "-addr", "127.0.0.1:0", "-admin", "", "-config", guarded, "-access-log", "")),
	}
	if n := startNginx(t, up.URL); n != nil {
		rivals = append(rivals, n)
	}
	const rounds, n = 9, 8_000
	perRequest := map[string][]time.Duration{}
	rates, lowest := map[string]float64{}, math.Inf(1)
	for _, r := range rivals {
		r.saturate(t, 2000)
	}
	for range rounds {
		for _, r := range rivals {
			before := r.cpu(t)
			rate := r.saturate(t, n)
			if rates[r.name] = max(rates[r.name], rate); r.name == "bare" {
				lowest = min(lowest, rate)
			}
			perRequest[r.name] = append(perRequest[r.name], (r.cpu(t)-before)/n)
		}
	}
	for _, r := range rivals {
		slices.Sort(perRequest[r.name])
		t.Logf("%-26s %v CPU a request (median of %d; best %v), %.0f a second", r.name, perRequest[r.name][rounds/2], rounds, perRequest[r.name][0], rates[r.name])
	}
	ours := perRequest[guardedName]
	for _, name := range []string{"bare", lazyName} {
		bare := perRequest[name]
		byMin, byMedian := float64(ours[0])/float64(bare[0]), float64(ours[rounds/2])/float64(bare[rounds/2])
		t.Logf("%s: %.2f (median) and %.2f (min) of %s", guardedName, byMedian, byMin, name)
		if name == "bare" {
			assert.LessOrEqual(t, byMedian, 1.15)
		}
	}

	// Short turns, so that what else this machine does meets all alike.
	p99 := map[string][]time.Duration{}
	for range 9 {
		for _, r := range rivals {
			p99[r.name] = append(p99[r.name], r.pace(t, lowest/2, 1500))
		}
	}
	for _, r := range rivals {
		slices.Sort(p99[r.name])
		t.Logf("%-26s p99 %v (median of 9; best %v) at %.0f a second", r.name, p99[r.name][4], p99[r.name][0], lowest/2)
	}
}

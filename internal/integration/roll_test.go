package integration_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/freeport"
)

// TestRoll replaces three instances of the example server, one after the other, behind
// the proxies that examples/api/deploy configures. Under traffic all the while, no
// request fails and none is carried out twice. RAMPART_FAULTS=1 (`make faults`) is the
// whole of it.
func TestRoll(t *testing.T) {
	whole := os.Getenv("RAMPART_FAULTS") != ""
	postgresSchema(t) // or the test is skipped
	binary := buildAPI(t)
	rounds, requests := 1, 2000
	if whole {
		rounds, requests = 3, 20_000
	}
	t.Run("nginx", func(t *testing.T) {
		rollBehind(t, binary, startNginx, "3s", rounds, requests)
	})
	t.Run("HAProxy", func(t *testing.T) {
		rollBehind(t, binary, startHAProxy, "3s", rounds, requests)
	})
	if whole {
		t.Run("nginx with its own fail_timeout", func(t *testing.T) {
			usual := func(t *testing.T, servers []string) *frontend {
				return nginx(t, servers, strings.NewReplacer(" fail_timeout=2s", ""))
			}
			rollBehind(t, binary, usual, "12s", rounds, requests)
		})
	}
}

// frontend is a proxy with TLS.
type frontend struct {
	url    string
	client *http.Client
}

func rollBehind(t *testing.T, binary string, start func(*testing.T, []string) *frontend, drain string, rounds, requests int) {
	t.Helper()
	dsn := postgresSchema(t)
	f := newFleet(t, binary, append(wideRates(), "-db", dsn, "-db-timeout", "10s", "-drain", drain)...)
	servers := make([]string, 3)
	for i := range servers {
		servers[i] = freeport.Addr(t)
		f.instances = append(f.instances, f.start(t, "-addr", servers[i]))
	}
	front := start(t, servers)
	traffic := beginTraffic(t, front)
	slowest := time.Duration(0)
	for range rounds {
		for i, s := range f.instances {
			began := time.Now()
			s.signal(syscall.SIGTERM)
			require.NoError(t, s.cmd.Wait(), "%s", s.log)
			slowest = max(slowest, time.Since(began))
			f.instances[i] = f.start(t, "-addr", servers[i])
		}
	}
	require.Eventually(t, func() bool { return traffic.served.Load() >= int64(requests) }, 5*time.Minute, 50*time.Millisecond)
	failed := traffic.end()
	t.Logf("%d requests, %d orders; %d instances ended, the slowest after %v", traffic.served.Load(), traffic.created.Load(), rounds*len(servers), slowest)
	assert.Empty(t, failed[:min(len(failed), 5)], "%d requests failed", len(failed))

	db := openDSN(t, dsn)
	var rows int64
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM customers`).Scan(&rows))
	assert.Equal(t, traffic.created.Load(), rows, "each registration that was answered is there once")
}

// traffic is what clients send until it is ended.
type traffic struct {
	served, created atomic.Int64

	stop   context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	failed []string
}

func beginTraffic(t *testing.T, front *frontend) *traffic {
	t.Helper()
	stopped, stop := context.WithCancel(t.Context())
	tr := &traffic{stop: stop}
	for client := range 16 {
		tr.wg.Go(func() {
			for i := 0; stopped.Err() == nil; i++ {
				tr.one(t.Context(), front, fmt.Sprintf("client %d-%d", client, i), i%2 == 1)
			}
		})
	}
	return tr
}

// one sends a request and keeps what went wrong with it.
func (tr *traffic) one(ctx context.Context, front *frontend, name string, write bool) {
	method, path, want, body := http.MethodGet, "/api/public/", http.StatusOK, ""
	if write {
		method, path, want = http.MethodPost, "/api/register/", http.StatusCreated
		body = `{"email":"a@example.com","name":"` + name + `","phone":"+49301234567"}`
	}
	r, err := http.NewRequestWithContext(ctx, method, front.url+path, strings.NewReader(body))
	if err != nil {
		tr.fail(err.Error())
		return
	}
	r.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := front.client.Do(r)
	if err != nil {
		tr.fail(fmt.Sprintf("%s after %v: %v", method, time.Since(began), err))
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		tr.fail(fmt.Sprintf("%s after %v: %d %v %s", method, time.Since(began), resp.StatusCode, err, text))
		return
	}
	tr.served.Add(1)
	if write {
		tr.created.Add(1)
	}
}

func (tr *traffic) fail(why string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.failed = append(tr.failed, why)
}

func (tr *traffic) end() []string {
	tr.stop()
	tr.wg.Wait()
	return tr.failed
}

// certificate writes one, and returns a client that trusts it.
func certificate(t *testing.T, dir string) *http.Client {
	t.Helper()
	peer := httptest.NewTLSServer(http.NotFoundHandler()) // for what it is made with
	defer peer.Close()
	key, err := x509.MarshalPKCS8PrivateKey(peer.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: peer.Certificate().Raw})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for name, text := range map[string][]byte{"fullchain.pem": chain, "privkey.pem": private, "haproxy.pem": append(chain, private...)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	roots := x509.NewCertPool()
	roots.AddCert(peer.Certificate())
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64,
	}}
}

// deployed is a file that examples/api/deploy offers, with the addresses of a test.
func deployed(t *testing.T, name string, servers []string, edits ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/api/deploy", name))
	require.NoError(t, err)
	for i, addr := range servers {
		edits = append(edits, fmt.Sprintf("10.0.0.1%d:8080", i+1), addr)
	}
	for i := 0; i < len(edits); i += 2 {
		require.Contains(t, string(text), edits[i])
	}
	return strings.NewReplacer(edits...).Replace(string(text))
}

func startNginx(t *testing.T, servers []string) *frontend {
	t.Helper()
	return nginx(t, servers, strings.NewReplacer())
}

func nginx(t *testing.T, servers []string, edit *strings.Replacer) *frontend {
	t.Helper()
	dir, addr := t.TempDir(), freeport.Addr(t)
	client := certificate(t, dir)
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	conf := "daemon off;\npid " + dir + "/pid;\nerror_log stderr;\nevents { worker_connections 1024; }\nhttp {\naccess_log off;\n" + temporary.String() +
		edit.Replace(deployed(t, "nginx.conf", servers, "listen 443 ssl", "listen "+addr+" ssl", "/etc/ssl/ecolaura", dir)) + "}\n"
	return startProxy(t, client, addr, filepath.Join(dir, "nginx.conf"), conf, "nginx", "-q", "-c")
}

func startHAProxy(t *testing.T, servers []string) *frontend {
	t.Helper()
	dir, addr := t.TempDir(), freeport.Addr(t)
	client := certificate(t, dir)
	conf := deployed(t, "haproxy.cfg", servers, "bind :443", "bind "+addr, "/etc/ssl/ecolaura", dir)
	return startProxy(t, client, addr, filepath.Join(dir, "haproxy.cfg"), conf, "haproxy", "-db", "-q", "-f")
}

// startProxy starts a program with a configuration, which it first checks.
func startProxy(t *testing.T, client *http.Client, addr, file, conf, program string, args ...string) *frontend {
	t.Helper()
	name, err := exec.LookPath(program)
	if err != nil {
		if name, err = exec.LookPath("/usr/sbin/" + program); err != nil {
			missing(t, "proxies", "run `make services`: this test rolls instances behind "+program)
		}
	}
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
	log := new(eventLog)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, append(args, file)...)
	cmd.Stderr, cmd.Stdout = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			text := log.String()
			t.Logf("%s: %s", program, text[:min(len(text), 2000)])
		}
		client.CloseIdleConnections()
	})
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "%s", log)
	return &frontend{url: "https://" + addr, client: client}
}

package integration_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// buildAPI builds the example server, as its module says.
func buildAPI(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "api")
	work, err := exec.CommandContext(t.Context(), "../../scripts/work.sh", "../../examples").Output()
	require.NoError(t, err)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", name, "./api")
	build.Dir = "../../examples"
	build.Env = append(os.Environ(), "GOWORK="+strings.TrimSpace(string(work)))
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return name
}

// apiFleet is processes of the example server with a PostgreSQL and a Redis that
// may fail.
type apiFleet struct {
	t         *testing.T
	binary    string
	postgres  *mortalPostgres
	redis     *mortalRedis
	env, args []string
	instances []*apiServer
}

// wideRates keep limits out of the way of what is about something else.
func wideRates() []string {
	return []string{"-anon-rate", "1000000/hour", "-user-rate", "1000000/hour"}
}

func startAPIs(t *testing.T, binary string, n int, args ...string) *apiFleet {
	t.Helper()
	postgres, redis := newMortalPostgres(t), &mortalRedis{t: t, forgets: true}
	redis.begin()
	f := newFleet(t, binary, append([]string{"-db", postgres.dsn, "-redis", "redis://" + redis.addr() + "/0"}, args...)...)
	f.postgres, f.redis = postgres, redis
	for range n {
		f.instances = append(f.instances, f.start(t))
	}
	return f
}

// newFleet is one without instances yet, and with secrets of its own.
func newFleet(t *testing.T, binary string, args ...string) *apiFleet {
	return &apiFleet{
		t: t, binary: binary,
		env: []string{
			"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
			"ECOLAURA_SECRET_KEY=" + rand.Text() + rand.Text(), "ECOLAURA_FERNET_KEYS=" + fernet.GenerateKey().Reveal(),
		},
		args: append([]string{"-addr", "127.0.0.1:0", "-demo", "-trusted-proxies", "127.0.0.0/8"}, args...),
	}
}

// apiServer is one of the processes.
type apiServer struct {
	t      *testing.T
	url    string
	cmd    *exec.Cmd
	log    *eventLog
	client *http.Client
}

func (f *apiFleet) start(t *testing.T, args ...string) *apiServer {
	t.Helper()
	s := &apiServer{t: t, log: new(eventLog)}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	s.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), f.binary, slices.Concat(f.args, args)...)
	s.cmd.Env, s.cmd.Stderr = f.env, s.log
	stdout, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	f.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		transport.CloseIdleConnections()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Listening on "); ok {
			s.url, _, _ = strings.Cut(rest, " ")
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return s
		}
	}
	t.Fatalf("the server did not start: %s", s.log.String())
	return nil
}

func (s *apiServer) signal(sig syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(sig))
}

// apiAnswer is what came back, and after how long.
type apiAnswer struct {
	at     time.Time
	took   time.Duration
	status int
	retry  string
	body   string
}

func (a apiAnswer) field(name string) string {
	var m map[string]any
	_ = json.Unmarshal([]byte(a.body), &m)
	s, _ := m[name].(string)
	return s
}

// apiRequest is a request from an address, with what says who calls, such as
// "Authorization: Bearer …".
type apiRequest struct{ method, path, body, from, caller string }

func (s *apiServer) try(ctx context.Context, q apiRequest) (apiAnswer, error) {
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, s.url+q.path, body)
	if err != nil {
		return apiAnswer{}, err
	}
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("Content-Type", "application/json")
	if q.from != "" {
		r.Header.Set("X-Forwarded-For", q.from)
	}
	if name, value, ok := strings.Cut(q.caller, ": "); ok {
		r.Header.Set(name, value)
	}
	began := time.Now()
	resp, err := s.client.Do(r)
	if err != nil {
		return apiAnswer{at: began, took: time.Since(began)}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return apiAnswer{began, time.Since(began), resp.StatusCode, resp.Header.Get("Retry-After"), string(text)}, err
}

func (s *apiServer) do(q apiRequest) apiAnswer {
	s.t.Helper()
	a, err := s.try(s.t.Context(), q)
	require.NoError(s.t, err)
	return a
}

func loginOf(user string) apiRequest {
	return apiRequest{method: "POST", path: "/api/token/", body: `{"username":"` + user + `","password":"correct horse battery staple"}`}
}

// login returns what says that a demo user calls, and a refresh token.
func (s *apiServer) login(user string) (caller, refresh string) {
	s.t.Helper()
	a := s.do(loginOf(user))
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	return "Authorization: Bearer " + a.field("access"), a.field("refresh")
}

// key returns what says that a new API key of a user calls.
func (s *apiServer) key(user string) (caller string) {
	s.t.Helper()
	a := s.do(apiRequest{method: "POST", path: "/api/keys/", body: `{"name":"crm"}`, caller: user})
	require.Equal(s.t, http.StatusCreated, a.status, a.body)
	return "X-API-Key: " + a.field("key")
}

// order makes an operator's call, which must succeed.
func (s *apiServer) order(operator, path, body string) apiAnswer {
	s.t.Helper()
	a := s.do(apiRequest{method: "POST", path: "/api/ops/" + path, body: body, caller: operator})
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	return a
}

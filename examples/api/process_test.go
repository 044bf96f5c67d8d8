package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// binary builds the server once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rampart-api-*")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "api")
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if name, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(status)
}

// process is the server as an operator runs it.
type process struct {
	service
	cmd    *exec.Cmd
	stderr *logBuffer
	greet  string
}

func startProcess(t *testing.T, db string, args ...string) *process {
	t.Helper()
	name, err := binary()
	require.NoError(t, err)
	p := &process{stderr: &logBuffer{}}
	p.cmd = exec.Command(name, append([]string{"-addr", "127.0.0.1:0", "-db", db}, args...)...)
	p.cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, "%s%s", p.greet, p.stderr)
		p.greet += line
		if m := regexp.MustCompile(`^Listening on (\S+)`).FindStringSubmatch(line); m != nil {
			p.service = service{t: t, url: m[1]}
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return p
}

// stop asks the process to end and returns its exit status.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func TestItStartsWithNothingAndKeepsEverythingOverARestart(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	p := startProcess(t, db)
	assert.Contains(t, p.greet, "ECOLAURA_SECRET_KEY was not set: made one")
	assert.Contains(t, p.greet, "ECOLAURA_FERNET_KEYS was not set: made one")
	for _, file := range []string{".secret-key", ".fernet-keys", ""} {
		info, err := os.Stat(db + file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
		if file != "" {
			secret, err := os.ReadFile(db + file)
			require.NoError(t, err)
			assert.NotContains(t, p.greet, strings.TrimSpace(string(secret)))
		}
	}
	access, refresh := p.login("alice")
	key := p.post("/api/keys/", `{"name":"crm"}`, bearer(access)).field(t, "key")
	require.Equal(t, 201, p.post("/api/register/", `{"email":"a@example.com","name":"Ann","phone":"+49301234567"}`).status)
	assert.Equal(t, 0, p.stop(t), p.stderr)

	again := startProcess(t, db)
	assert.Equal(t, 200, again.do("GET", "/api/secure/", "", bearer(access)).status)
	assert.Equal(t, 200, again.do("GET", "/api/partner/", "", "X-API-Key: "+key).status)
	assert.Equal(t, "+49301234567", again.do("GET", "/api/customers/1/", "", bearer(access)).field(t, "phone"))
	assert.Equal(t, 200, again.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)
	assert.Equal(t, 0, again.stop(t))
}

func TestTwoProcessesOnOneDatabaseShareEverything(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	one, two := startProcess(t, db, wide...), startProcess(t, db, wide...)
	access, refresh := one.login("alice")
	key := one.post("/api/keys/", `{"name":"crm"}`, bearer(access))
	assert.Equal(t, 200, two.do("GET", "/api/secure/", "", bearer(access)).status)
	assert.Equal(t, 200, two.do("GET", "/api/partner/", "", "X-API-Key: "+key.field(t, "key")).status)
	require.Equal(t, 201, two.post("/api/register/", `{"email":"a@example.com","name":"Ann","phone":"+49301234567"}`).status)
	assert.Equal(t, "+49301234567", one.do("GET", "/api/customers/1/", "", bearer(access)).field(t, "phone"))

	assert.Equal(t, 204, two.do("DELETE", "/api/keys/"+key.field(t, "id")+"/", "", bearer(access)).status)
	one.soonRefused("/api/partner/", "X-API-Key: "+key.field(t, "key")) // a revoked key stops everywhere

	// Both refresh at once: one lineage comes of it.
	var wg sync.WaitGroup
	successors := make([]string, 16)
	for i := range successors {
		p := []*process{one, two}[i%2]
		wg.Go(func() {
			if a := p.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`); a.status == 200 {
				successors[i] = a.field(t, "refresh")
			}
		})
	}
	wg.Wait()
	for _, s := range successors {
		assert.Equal(t, successors[0], s)
	}
	require.Equal(t, 200, one.post("/api/token/blacklist/", `{"refresh":"`+successors[0]+`"}`).status)
	two.soonRefused("/api/secure/", bearer(access)) // a log-out counts everywhere
}

func TestAKillUnderLoadLosesNoAcknowledgedWrite(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	p := startProcess(t, db, wide...)
	var (
		mu    sync.Mutex
		acked []string
		wg    sync.WaitGroup
	)
	for g := range 8 {
		wg.Go(func() {
			client := &http.Client{Timeout: 20 * time.Second}
			for i := 0; ; i++ {
				name := fmt.Sprintf("customer %d-%d", g, i)
				resp, err := client.Post(p.url+"/api/register/", "application/json",
					strings.NewReader(`{"email":"a@example.com","name":"`+name+`","phone":"+49301234567"}`))
				if err != nil {
					return // killed
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil {
					return
				}
				if resp.StatusCode == http.StatusCreated && bytes.HasSuffix(body, []byte("}")) {
					mu.Lock()
					acked = append(acked, name)
					mu.Unlock()
				}
			}
		})
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acked) >= 200
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, p.cmd.Process.Kill())
	wg.Wait()
	_ = p.cmd.Wait()

	s := startOn(t, db)
	for _, name := range acked {
		var n int
		require.NoError(t, s.srv.db.QueryRow(`SELECT count(*) FROM customers WHERE name = ?`, name).Scan(&n))
		require.Equal(t, 1, n, name)
	}
	t.Logf("%d acknowledged writes, all there", len(acked))
}

func TestWrongSettingsAreListedAllAtOnce(t *testing.T) {
	name, err := binary()
	require.NoError(t, err)
	run := func(env []string, args ...string) (int, string) {
		cmd := exec.Command(name, args...)
		cmd.Dir = t.TempDir()
		cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	status, out := run([]string{"ECOLAURA_USER_RATE=5/moon", "ECOLAURA_DEMO=perhaps"}, "-addr", "nowhere", "-anon-rate", "0/h", "-trusted-proxies", "10/8", "-tls-cert", "x", "-redis", "redis://:secret@h/db", "stray")
	assert.Equal(t, 2, status)
	for _, part := range []string{"-addr", "-anon-rate", "-user-rate", "ECOLAURA_DEMO", "-trusted-proxies", "-tls-cert", "-redis", "stray"} {
		assert.Contains(t, out, part)
	}
	assert.NotContains(t, out, "secret")

	status, out = run(nil, "-hosts", "https://api.example.com", "-origins", "null,https://ok.example/")
	assert.Equal(t, 2, status)
	for _, part := range []string{"AllowedHosts", "null_origin", "https://ok.example/"} {
		assert.Contains(t, out, part)
	}
	status, out = run(nil, "-db", "postgres://u:hidden@127.0.0.1:1/x")
	assert.Equal(t, 2, status)
	assert.Contains(t, out, "ECOLAURA_SECRET_KEY")
	assert.Contains(t, out, "ECOLAURA_FERNET_KEYS")
	assert.NotContains(t, out, "hidden")

	status, _ = run([]string{"ECOLAURA_SECRET_KEY=short"})
	assert.Equal(t, 2, status)
	status, _ = run([]string{"ECOLAURA_FERNET_KEYS=short"})
	assert.Equal(t, 2, status)
	status, _ = run(nil, "-h")
	assert.Equal(t, 0, status)
	status, _ = run(nil, "-nope")
	assert.Equal(t, 2, status)
}

func TestDemoAccountsAreNeverServedToTheWorldUnasked(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	startProcess(t, db).stop(t) // makes the demo users: fresh and on loopback
	name, err := binary()
	require.NoError(t, err)
	out, err := exec.Command(name, "-addr", "0.0.0.0:0", "-db", db).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "demo password")

	// Beside a server on loopback that makes them at the same moment, too.
	raced := filepath.Join(t.TempDir(), "raced.db")
	beside := exec.Command(name, "-addr", "127.0.0.1:0", "-db", raced)
	require.NoError(t, beside.Start())
	defer func() { _ = beside.Process.Kill(); _ = beside.Wait() }()
	world := exec.Command(name, "-addr", "0.0.0.0:0", "-db", raced)
	stdout, err := world.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, world.Start())
	defer func() { _ = world.Process.Kill(); _ = world.Wait() }()
	for lines := bufio.NewScanner(stdout); lines.Scan(); { // it sees the demo accounts and ends, or
		if strings.Contains(lines.Text(), "Listening") { // it made the tables, and there are none
			s := startOn(t, raced, "-addr", "0.0.0.0:0")
			assert.False(t, s.srv.demo)
			break
		}
	}

	fresh := filepath.Join(t.TempDir(), "fresh.db")
	cmd := exec.Command(name, "-addr", "0.0.0.0:0", "-db", fresh)
	stdout, err = cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewReader(stdout)
	greet := ""
	for !strings.Contains(greet, "Listening") {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		greet += line
	}
	s := startOn(t, fresh)
	var n int
	require.NoError(t, s.srv.db.QueryRow(`SELECT count(*) FROM users`).Scan(&n))
	assert.Zero(t, n)
}

func TestATerminatedServerAnswersTheRequestsUnderWay(t *testing.T) {
	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	const body = `{"email":"a@example.com","name":"Ann","phone":"+49301234567"}`
	fmt.Fprintf(conn, "POST /api/register/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:20])
	answers := bufio.NewReader(conn)
	wait, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusContinue, wait.StatusCode, "the handler waits for the rest")
	require.NoError(t, wait.Body.Close())
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		more, err := net.DialTimeout("tcp", strings.TrimPrefix(p.url, "http://"), time.Second)
		if err == nil {
			_ = more.Close()
		}
		return err != nil
	}, 5*time.Second, 20*time.Millisecond, "no new connection")
	_, err = io.WriteString(conn, body[20:])
	require.NoError(t, err)
	resp, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 201, resp.StatusCode)
	_ = p.cmd.Wait()
	assert.Equal(t, 0, p.cmd.ProcessState.ExitCode())
}

// What the layers hold back, to write repeats as one record, is written at the end.
func TestATerminatedServerLosesNoEvent(t *testing.T) {
	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), wide...)
	access, _ := p.login("alice")
	const each = 8
	for range each { // refused by auth, by apikey and by the service itself
		require.Equal(t, 401, p.do("GET", "/api/secure/", "", bearer("a.b.c")).status)
		require.Equal(t, 401, p.do("GET", "/api/partner/", "", "X-API-Key: x").status)
		require.Equal(t, 422, p.post("/api/password/", `{"old":"wrong","new":"another long password"}`, bearer(access)).status)
	}
	require.Equal(t, 0, p.stop(t))
	counted := map[string]int{}
	for line := range strings.Lines(p.stderr.String()) {
		for _, mark := range []string{"event=authz_fail ", "kind=api_key ", "reason=old_password "} {
			if strings.Contains(line, mark) {
				n := 1
				if m := regexp.MustCompile(` count=(\d+) `).FindStringSubmatch(line); m != nil {
					var err error
					n, err = strconv.Atoi(m[1])
					require.NoError(t, err)
				}
				counted[mark] += n
			}
		}
	}
	assert.Equal(t, map[string]int{"event=authz_fail ": each, "kind=api_key ": each, "reason=old_password ": each}, counted)
}

// runBinary runs the server until it ends by itself.
func runBinary(t *testing.T, name string, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	text, _ := cmd.CombinedOutput()
	return string(text), cmd.ProcessState.ExitCode()
}

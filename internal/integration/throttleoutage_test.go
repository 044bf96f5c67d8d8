package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/freeport"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// mortalRedis is a server of this test's own, to be killed and restarted.
type mortalRedis struct {
	t    testing.TB
	dir  string
	port string
	cmd  *exec.Cmd

	forgets bool // it comes back empty
}

func newMortalRedis(t testing.TB) *mortalRedis {
	t.Helper()
	r := &mortalRedis{t: t}
	r.begin()
	return r
}

// begin starts it for the first time.
func (r *mortalRedis) begin() {
	t := r.t
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		missing(t, "redis", "run `make services`: this test kills a redis-server of its own")
	}
	_, port, err := net.SplitHostPort(freeport.Addr(t))
	require.NoError(t, err)
	r.dir, r.port = t.TempDir(), port
	r.start()
	t.Cleanup(r.kill)
}

func (r *mortalRedis) addr() string { return "127.0.0.1:" + r.port }

// start returns when the server answers.
func (r *mortalRedis) start() {
	r.t.Helper()
	keep := "yes"
	if r.forgets {
		keep = "no"
	}
	r.cmd = exec.CommandContext(context.WithoutCancel(r.t.Context()), "redis-server", "--port", r.port, "--bind", "127.0.0.1", "--dir", r.dir,
		"--save", "", "--appendonly", keep, "--appendfsync", "always")
	require.NoError(r.t, r.cmd.Start())
	client := goredis.NewClient(&goredis.Options{Addr: r.addr()})
	defer client.Close()
	require.Eventually(r.t, func() bool { return client.Ping(r.t.Context()).Err() == nil }, 30*time.Second, 5*time.Millisecond)
}

func (r *mortalRedis) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// sample is one answer under load.
type sample struct {
	at     time.Time
	took   time.Duration
	status int
}

// eventLog is a log.
type eventLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *eventLog) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *eventLog) count(s string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.buf.Bytes(), []byte(s))
}

func (b *eventLog) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// load asks h from 8 goroutines until stop is called, which returns what they
// were answered. Each address in turn pays. It leaves a slow machine time for the
// server, which else would be taken for one that fails.
func load(h http.Handler) (stop func() []sample) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []sample
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-end:
					return
				case <-time.After(10 * time.Millisecond):
				}
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = "192.0.2." + strconv.Itoa((g+i)%20) + ":1"
				w := httptest.NewRecorder()
				start := time.Now()
				h.ServeHTTP(w, r)
				mu.Lock()
				all = append(all, sample{start, time.Since(start), w.Code})
				mu.Unlock()
			}
		})
	}
	return func() []sample {
		close(end)
		wg.Wait()
		return all
	}
}

// strike is what happens to a server, and what brings it back.
type strike struct{ down, up func(r *mortalRedis) }

func TestThrottleRedisKilledAndRestartedUnderLoad(t *testing.T) {
	for desc, outage := range map[string]rampart.Outage{"FailClosed": rampart.FailClosed, "FailOpen": rampart.FailOpen, "FallBack": rampart.FallBack} {
		for how, strike := range map[string]strike{
			"killed": {(*mortalRedis).kill, (*mortalRedis).start},
			"hangs": {
				func(r *mortalRedis) { _ = r.cmd.Process.Signal(syscall.SIGSTOP) },
				func(r *mortalRedis) { _ = r.cmd.Process.Signal(syscall.SIGCONT) },
			},
		} {
			for i, client := range redisClients() {
				if os.Getenv("RAMPART_BARS") == "" && i > 0 && (outage != rampart.FailClosed || how == "hangs") {
					continue
				}
				t.Run(desc+"/"+how+"/"+client.name, func(t *testing.T) {
					var late []string
					for range 5 { // a machine that is held up by others may need another try
						if late = outageUnderLoad(t, client, outage, strike); len(late) == 0 {
							break
						}
						t.Log(late)
					}
					assert.Empty(t, late)
				})
			}
		}
	}
}

// outageUnderLoad asserts what holds however slow the machine is, and returns
// what was not as fast, or not reported as seldom, as it should be.
func outageUnderLoad(t *testing.T, client redisClient, outage rampart.Outage, strike strike) (late []string) {
	t.Helper()
	const limit, callers = 6, 20
	server, log := newMortalRedis(t), new(eventLog)
	store := openThrottle(t, client.open(t, server.addr()), throttleredis.Config{Logger: slog.New(slog.NewJSONHandler(log, nil))})
	limiter, err := throttle.New(throttle.Config{
		Policies: []throttle.Policy{{Name: "hour", Rate: throttle.Rate{Count: limit, Period: time.Hour}, Key: throttle.ByIP(nil)}},
		Store:    store, Outage: outage, Replicas: 2, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	stop := load(limiter.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	time.Sleep(100 * time.Millisecond)
	strike.down(server)
	down := time.Now()
	time.Sleep(1500 * time.Millisecond)
	strike.up(server)
	up := time.Now()
	back := assert.Eventually(t, func() bool { return log.count(`"event":"sys_backend_recovered"`) > 0 }, 30*time.Second, time.Millisecond, "no recovery")
	recovered := time.Since(up)
	time.Sleep(300 * time.Millisecond)
	samples := stop()
	require.True(t, back)

	statuses, longest, open, passed := map[int]int{}, time.Duration(0), time.Duration(0), map[string]int{}
	for _, s := range samples {
		statuses[s.status]++
		longest = max(longest, s.took)
		if s.at.After(down.Add(time.Second)) && s.at.Before(up) {
			open = max(open, s.took)
		}
		if s.status != http.StatusNoContent {
			continue
		}
		switch {
		case s.at.Before(down):
			passed["before"]++
		case s.at.Before(up):
			passed["down"]++
		case s.at.After(up.Add(recovered)):
			passed["after"]++
		}
	}
	t.Logf("answers %v, passed %v, longest %v, after a second %v, recovery %v", statuses, passed,
		longest.Round(time.Millisecond), open.Round(time.Millisecond), recovered.Round(time.Millisecond))
	want := func(ok bool, format string, args ...any) {
		if !ok {
			late = append(late, fmt.Sprintf(format, args...))
		}
	}
	want(longest < time.Second, "an answer took %v", longest)
	want(open < 200*time.Millisecond, "with an open circuit an answer took %v", open)
	want(recovered < 2*time.Second, "recovery took %v", recovered)
	for _, event := range []string{"sys_backend_unavailable", "sys_backend_recovered"} { // one when it changes
		n := log.count(`"event":"` + event + `"`)
		want(n == 1, "%d %s", n, event)
	}
	for status := range statuses {
		assert.Contains(t, []int{http.StatusNoContent, http.StatusTooManyRequests, http.StatusServiceUnavailable}, status)
	}
	switch outage {
	case rampart.FailClosed:
		assert.Positive(t, statuses[http.StatusServiceUnavailable])
		assert.LessOrEqual(t, statuses[http.StatusNoContent], limit*callers, "the count survives")
	case rampart.FailOpen:
		assert.Zero(t, statuses[http.StatusServiceUnavailable])
		want(passed["down"] > limit*callers, "only %d passed", passed["down"])
	case rampart.FallBack:
		assert.Zero(t, statuses[http.StatusServiceUnavailable])
		assert.LessOrEqual(t, statuses[http.StatusNoContent], limit*callers*3/2, "half as many pass meanwhile")
		want(passed["down"] > limit*callers/4, "of the share of this process only %d passed", passed["down"])
	}
	return late
}

package gateway_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownRedis is a server that a test may stop.
type ownRedis struct {
	t    *testing.T
	port string
	dir  string
	cmd  *exec.Cmd
}

func newRedis(t *testing.T) *ownRedis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if strings.Contains(os.Getenv("RAMPART_REQUIRE"), "redis") {
			t.Fatal("redis-server is missing")
		}
		t.Skip("run `make services`: this test stops a redis-server of its own")
	}
	_, port, err := net.SplitHostPort(freeAddr(t))
	require.NoError(t, err)
	r := &ownRedis{t: t, port: port, dir: t.TempDir()}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *ownRedis) start() {
	r.cmd = exec.CommandContext(context.Background(), "redis-server", "--port", r.port, "--bind", "127.0.0.1", "--dir", r.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	require.NoError(r.t, r.cmd.Start())
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + r.port})
	defer func() { _ = client.Close() }()
	require.Eventually(r.t, func() bool { return client.Ping(context.Background()).Err() == nil }, 30*time.Second, 10*time.Millisecond)
}

func (r *ownRedis) stop() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func TestFourGatewaysShareALimitOverARestartOfRedis(t *testing.T) {
	t.Parallel() // most of it is waiting
	r := newRedis(t)
	config := one("  - {name: rate-limiting, config: {minute: 100, policy: redis, fault_tolerant: false}}")
	var gateways []*edge
	for range 4 {
		gateways = append(gateways, start(t, config, func(c *gateway.Config) { c.Redis = dial(t, "127.0.0.1:"+r.port) }))
	}
	var mu sync.Mutex
	all := map[int]int{}
	ask := func(n int) map[int]int {
		seen := map[int]int{}
		var wg sync.WaitGroup
		for _, g := range gateways {
			wg.Go(func() {
				for range n / len(gateways) {
					status := g.get("/api").status
					mu.Lock()
					seen[status]++
					all[status]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return seen
	}
	first := ask(60)
	assert.Equal(t, 60, first[200]+first[503], "%v", first)
	assert.Positive(t, first[200])
	r.stop()
	assert.Equal(t, map[int]int{503: 40}, ask(40), "fault_tolerant: false")
	r.start()
	require.Eventually(t, func() bool { // each gateway finds out for itself
		ok := true
		for _, g := range gateways {
			status := g.get("/api").status
			ok = ok && status != 503
			all[status]++
		}
		return ok
	}, 30*time.Second, 100*time.Millisecond)
	second := ask(200)
	// A gateway that waited a second for Redis in vain does not know whether it
	// has counted: where the machine holds up nobody, nobody waits.
	unknown := first[503] + second[503]
	assert.LessOrEqual(t, all[200], 100, "%v", all)
	assert.GreaterOrEqual(t, all[200]+unknown, 100, "%v", all)
	assert.Len(t, all, 3, "200, 429, and 503 while Redis was away: %v", all)
	t.Logf("statuses: %v, %d waited in vain", all, unknown)
}

func TestATolerantLimitLetsPassWhileRedisIsAway(t *testing.T) {
	t.Parallel() // most of it is waiting
	r := newRedis(t)
	e := start(t, one("  - {name: rate-limiting, config: {hour: 1, policy: redis}}\n  - {name: usage-plan, config: {quota_day: 10, policy: redis}}"),
		func(c *gateway.Config) { c.Redis = dial(t, "127.0.0.1:"+r.port) })
	assert.Equal(t, 200, e.get("/api").status)
	assert.Equal(t, 429, e.get("/api").status)
	r.stop()
	assert.Eventually(t, func() bool { return e.get("/api").status == 200 }, 20*time.Second, 100*time.Millisecond)
}

func TestAnOutageIsReportedOnceForAllPlugins(t *testing.T) {
	t.Parallel() // most of it is waiting
	limit := "plugins: [{name: rate-limiting, config: {minute: 5, policy: redis}}]"
	e := start(t, `_format_version: "3.0"
services:
  - name: s
    url: UPSTREAM
    routes: [{name: a, paths: [/a], `+limit+`}, {name: b, paths: [/b], `+limit+`}]
`, func(c *gateway.Config) { c.Redis = dial(t, refusing) })
	for range 12 {
		e.get("/a")
		e.get("/b")
	}
	assert.Eventually(t, func() bool { return strings.Contains(e.log.String(), "sys_backend_unavailable") }, 20*time.Second, 10*time.Millisecond)
	time.Sleep(1200 * time.Millisecond) // as long as events are gathered
	assert.Equal(t, 1, strings.Count(e.log.String(), `"event":"sys_backend_unavailable"`), e.log.String())
}

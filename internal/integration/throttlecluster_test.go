package integration_test

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/freeport"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// startRedis starts a server of this test's own, with further settings, made for
// each try, and returns its port and what kills it.
func startRedis(t *testing.T, settings func() []string) (port string, kill func()) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		missing(t, "redis", "run `make services`: this test starts redis-servers of its own")
	}
	for range 5 { // until nobody else has taken a port meanwhile
		port = freePort(t)
		args := append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--repl-diskless-sync-delay", "0"}, settings()...)
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server", args...)
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		kill = func() { _ = cmd.Process.Kill(); <-ended }
		t.Cleanup(kill)
		if answers(t, port, ended) {
			return port, kill
		}
	}
	t.Fatal("no redis-server would start")
	return "", nil
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeport.Addr(t))
	require.NoError(t, err)
	return port
}

// answers waits until the server on port does, or has ended.
func answers(t *testing.T, port string, ended <-chan struct{}) bool {
	t.Helper()
	client := redisAt(t, port)
	for client.Ping(t.Context()).Err() != nil {
		select {
		case <-ended:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return true
}

func redisAt(t *testing.T, port string) *goredis.Client {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:" + port})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// eventually waits for what other processes do, however slow the machine is.
func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, time.Minute, 10*time.Millisecond, what)
}

// startCluster starts two nodes, each with half of the slots.
func startCluster(t *testing.T) (nodes [2]*goredis.Client) {
	t.Helper()
	var ports, buses [2]string
	for i := range nodes {
		ports[i], _ = startRedis(t, func() []string {
			buses[i] = freePort(t)
			return []string{"--cluster-enabled", "yes", "--cluster-port", buses[i], "--cluster-node-timeout", "60000"}
		})
		nodes[i] = redisAt(t, ports[i])
	}
	require.NoError(t, nodes[0].ClusterAddSlotsRange(t.Context(), 0, 8191).Err())
	require.NoError(t, nodes[1].ClusterAddSlotsRange(t.Context(), 8192, 16383).Err())
	require.NoError(t, nodes[0].Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", ports[1], buses[1]).Err())
	for _, node := range nodes {
		eventually(t, func() bool {
			info, err := node.ClusterInfo(t.Context()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384") && strings.Contains(info, "cluster_size:2")
		}, "no cluster")
	}
	return nodes
}

// clusterClients returns a DoFunc for each client that knows clusters: redigo
// does not.
func clusterClients(t *testing.T, addrs []string) map[string]throttleredis.DoFunc {
	t.Helper()
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addrs, MaxRedirects: 3})
	t.Cleanup(func() { _ = cluster.Close() })
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addrs, DisableRetry: true})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return map[string]throttleredis.DoFunc{
		"go-redis": func(ctx context.Context, args ...any) (any, error) { return cluster.Do(ctx, args...).Result() },
		"rueidis": func(ctx context.Context, args ...any) (any, error) {
			words := make([]string, len(args))
			for i, arg := range args {
				words[i] = arg.(string)
			}
			return client.Do(ctx, client.B().Arbitrary(words...).Build()).ToAny()
		},
		"rueidis, told the keys": func(ctx context.Context, args ...any) (any, error) { // as docs/scaling.md has it
			words := make([]string, len(args))
			for i, arg := range args {
				words[i] = arg.(string)
			}
			cmd := client.B().Arbitrary(words[0])
			if words[0] == "DEL" {
				return client.Do(ctx, cmd.Keys(words[1:]...).Build()).ToAny()
			}
			n, err := strconv.Atoi(words[2])
			if err != nil {
				return nil, err
			}
			return client.Do(ctx, cmd.Args(words[1:3]...).Keys(words[3:3+n]...).Args(words[3+n:]...).Build()).ToAny()
		},
	}
}

// tally counts what became of charges. Where a machine is held up, it may be
// unknown whether one counts.
type tally struct{ passed, refused, unknown int }

// charge charges a caller n times under two policies, the tighter of which has a
// limit of 5.
func charge(t *testing.T, store throttle.Store, caller string, n int) (c tally) {
	t.Helper()
	out := make([]throttle.Result, 2)
	for c.passed+c.refused+c.unknown < n {
		ok, err := store.Take(t.Context(), []throttle.Item{
			{Policy: "hour", Key: caller, Rate: throttle.Rate{Count: 5, Period: time.Hour}, Cost: 1},
			{Policy: "day", Key: caller, Rate: throttle.Rate{Count: 50, Period: 24 * time.Hour}, Algorithm: throttle.TokenBucket, Cost: 1},
		}, out)
		switch {
		case errors.Is(err, throttleredis.ErrOpen): // not asked
			time.Sleep(10 * time.Millisecond)
		case err != nil:
			t.Log(err)
			c.unknown++
		case ok:
			c.passed++
		default:
			c.refused++
		}
	}
	return c
}

func (c tally) assertFive(t *testing.T) {
	t.Helper()
	assert.Positive(t, c.passed+c.refused)
	assert.LessOrEqual(t, c.passed, 5)
	assert.GreaterOrEqual(t, c.passed+c.unknown, 5)
}

func TestThrottleRedisOnACluster(t *testing.T) {
	t.Parallel() // most of it is waiting
	nodes := startCluster(t)
	addrs := []string{nodes[0].Options().Addr, nodes[1].Options().Addr}
	for name, do := range clusterClients(t, addrs) {
		for spread, holding := range map[bool]int{false: 1, true: 2} {
			t.Run(name+"/spread "+strconv.FormatBool(spread), func(t *testing.T) {
				for _, node := range nodes {
					require.NoError(t, node.FlushAll(t.Context()).Err())
					require.NoError(t, node.ScriptFlush(t.Context()).Err())
				}
				store := openThrottle(t, do, throttleredis.Config{Spread: spread, DenyFor: -1})
				callers := make([]string, 30)
				for i := range callers {
					callers[i] = "192.0.2." + strconv.Itoa(i)
					charge(t, store, callers[i], 8).assertFive(t)
				}
				held := 0
				for _, node := range nodes {
					if node.DBSize(t.Context()).Val() > 0 {
						held++
					}
				}
				assert.Equal(t, holding, held, "nodes that hold keys")

				require.Eventually(t, func() bool { return store.Reset(t.Context(), "hour", callers...) == nil }, time.Minute, time.Millisecond)
				charge(t, store, callers[0], 8).assertFive(t)
				charge(t, store, callers[29], 8).assertFive(t)
			})
		}
	}
}

// TestThrottleRedisSurvivesAFailover: the replica has the counts, but neither the
// scripts nor, until it is promoted, leave to write.
func TestThrottleRedisSurvivesAFailover(t *testing.T) {
	t.Parallel() // most of it is waiting
	masterPort, kill := startRedis(t, func() []string { return nil })
	replicaPort, _ := startRedis(t, func() []string { return []string{"--replicaof", "127.0.0.1 " + masterPort} })
	master, replica := redisAt(t, masterPort), redisAt(t, replicaPort)

	var current atomic.Value // the port that the application's client dials
	current.Store(masterPort)
	client := goredis.NewClient(&goredis.Options{
		MaxRetries: -1,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+current.Load().(string))
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	store := openThrottle(t, func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }, throttleredis.Config{DenyFor: -1})

	before := charge(t, store, "192.0.2.1", 3)
	eventually(t, func() bool {
		n, err := master.Wait(t.Context(), 1, time.Second).Result()
		return err == nil && n == 1
	}, "not replicated")
	kill()
	current.Store(replicaPort)
	for range 3 {
		out := make([]throttle.Result, 1)
		ok, err := store.Take(t.Context(), []throttle.Item{{Policy: "hour", Key: "192.0.2.1", Rate: throttle.Rate{Count: 5, Period: time.Hour}, Cost: 1}}, out)
		assert.False(t, ok)
		require.Error(t, err, "a replica cannot charge")
	}
	require.NoError(t, replica.ReplicaOf(t.Context(), "NO", "ONE").Err())
	peek := []throttle.Item{{Policy: "hour", Key: "192.0.2.1", Rate: throttle.Rate{Count: 5, Period: time.Hour}}}
	eventually(t, func() bool {
		_, err := store.Take(t.Context(), peek, make([]throttle.Result, 1))
		return err == nil
	}, "no recovery")
	after := charge(t, store, "192.0.2.1", 8)
	tally{before.passed + after.passed, after.refused, before.unknown + after.unknown}.assertFive(t)
}

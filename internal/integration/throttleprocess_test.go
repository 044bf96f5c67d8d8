package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// instance is one process of a service that shares its limits through Redis.
type instance struct {
	cmd  *exec.Cmd
	addr string
}

const instanceEnv = "RAMPART_THROTTLE_INSTANCE" // the prefix of its keys

// TestThrottleInstance is no test: it is the process that startInstance starts.
// Of its three policies, "hour" lets 100 pass.
func TestThrottleInstance(t *testing.T) {
	prefix := os.Getenv(instanceEnv)
	if prefix == "" {
		t.Skip("only as a process of other tests")
	}
	store := openThrottle(t, redisClients()[0].open(t, redisAddr()), throttleredis.Config{Prefix: prefix})
	everybody := func(*http.Request) (string, bool) { return "everybody", true }
	three := func(r *http.Request) bool { return r.URL.Path == "/three" }
	limiter, err := throttle.New(throttle.Config{
		Policies: []throttle.Policy{
			{Name: "minute", Rate: throttle.Rate{Count: 5000, Period: time.Minute}, Key: everybody, Match: three},
			{Name: "hour", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Key: everybody},
			{Name: "day", Rate: throttle.Rate{Count: 150, Period: 24 * time.Hour}, Algorithm: throttle.TokenBucket, Key: everybody, Match: three},
		},
		Store: store, Outage: throttle.FailClosed, Timeout: 10 * time.Second,
	})
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fmt.Println("serving on", listener.Addr())
	server := &http.Server{
		Handler: limiter.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })),
	}
	_ = server.Serve(listener)
}

func startInstance(t *testing.T, prefix string) *instance {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run=^TestThrottleInstance$", "-test.v")
	cmd.Env = append(os.Environ(), instanceEnv+"="+prefix, "GOCOVERDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	i := &instance{cmd: cmd}
	t.Cleanup(i.kill)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "serving on "); ok {
			i.addr = addr
			return i
		}
	}
	t.Fatal("the instance did not start")
	return nil
}

func (i *instance) kill() {
	_ = i.cmd.Process.Kill()
	_ = i.cmd.Wait()
}

// storm sends from 64 connections to each of the instances, each of them n
// requests, and returns how many passed and how many got no answer.
func storm(t *testing.T, path string, n int, addrs ...string) (passed, lost int64) {
	t.Helper()
	var yes, gone atomic.Int64
	var wg sync.WaitGroup
	for _, addr := range addrs {
		transport := &http.Transport{MaxConnsPerHost: 64, MaxIdleConnsPerHost: 64}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		for range 64 {
			wg.Go(func() {
				for range n {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
					if err != nil {
						t.Error(err)
						return
					}
					resp, err := client.Do(r)
					if err != nil {
						gone.Add(1)
						continue
					}
					_ = resp.Body.Close()
					switch resp.StatusCode {
					case http.StatusNoContent:
						yes.Add(1)
					case http.StatusTooManyRequests:
					default:
						t.Errorf("status %d", resp.StatusCode)
					}
				}
			})
		}
	}
	wg.Wait()
	return yes.Load(), gone.Load()
}

func TestThrottleFourProcessesLetExactlyTheLimitPass(t *testing.T) {
	for _, path := range []string{"/one", "/three"} {
		t.Run(path[1:], func(t *testing.T) {
			_, prefix := redisPrefix(t)
			addrs := make([]string, 4)
			for i := range addrs {
				addrs[i] = startInstance(t, prefix).addr
			}
			passed, lost := storm(t, path, 10, addrs...)
			assert.EqualValues(t, 100, passed)
			assert.Zero(t, lost)
		})
	}
}

func TestThrottleProcessesThatAreKilledAndRestartedKeepTheCount(t *testing.T) {
	for _, path := range []string{"/one", "/three"} {
		t.Run(path[1:], func(t *testing.T) {
			_, prefix := redisPrefix(t)
			instances := make([]*instance, 4)
			for i := range instances {
				instances[i] = startInstance(t, prefix)
			}
			// Some pass, then one dies between requests, then one amid them.
			first, _ := storm(t, path, 1, instances[0].addr)
			require.EqualValues(t, 64, first)
			instances[0].kill()
			instances[0] = startInstance(t, prefix)
			time.AfterFunc(50*time.Millisecond, instances[1].kill)
			passed, lost := storm(t, path, 10, instances[0].addr, instances[1].addr, instances[2].addr, instances[3].addr)
			instances[1] = startInstance(t, prefix)
			again, _ := storm(t, path, 2, instances[1].addr, instances[2].addr)
			t.Logf("%d passed, %d got no answer", first+passed+again, lost)
			assert.LessOrEqual(t, first+passed+again, int64(100))
			assert.GreaterOrEqual(t, first+passed+again+min(lost, 64), int64(100), "what is missing was under way in the process that died")
		})
	}
}

package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// instance is one process of a service that shares its limits through Redis.
type instance struct {
	cmd  *exec.Cmd
	addr string
}

const (
	instanceEnv = "RAMPART_THROTTLE_INSTANCE" // the prefix of its keys
	limitEnv    = "RAMPART_THROTTLE_LIMIT"
)

// TestThrottleInstance is no test: it is the process that startInstance starts.
// Of its three policies, "hour" lets the limit pass.
func TestThrottleInstance(t *testing.T) {
	prefix := os.Getenv(instanceEnv)
	if prefix == "" {
		t.Skip("only as a process of other tests")
	}
	limit, err := strconv.Atoi(os.Getenv(limitEnv))
	require.NoError(t, err)
	store := openThrottle(t, redisClients()[0].open(t, redisAddr()), throttleredis.Config{Prefix: prefix})
	everybody := func(dst []byte, _ *http.Request) ([]byte, bool) { return append(dst, "everybody"...), true }
	three := func(r *http.Request) bool { return r.URL.Path == "/three" }
	limiter, err := throttle.New(throttle.Config{
		Policies: []throttle.Policy{
			{Name: "minute", Rate: throttle.Rate{Count: 50 * limit, Period: time.Minute}, Key: everybody, Match: three},
			{Name: "hour", Rate: throttle.Rate{Count: limit, Period: time.Hour}, Key: everybody},
			{Name: "day", Rate: throttle.Rate{Count: limit * 3 / 2, Period: 24 * time.Hour}, Algorithm: throttle.TokenBucket, Key: everybody, Match: three},
		},
		Store: store, Outage: rampart.FailClosed, Timeout: 10 * time.Second,
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

func startInstance(t *testing.T, prefix string, limit int) *instance {
	t.Helper()
	return runInstance(t, "TestThrottleInstance", instanceEnv+"="+prefix, limitEnv+"="+strconv.Itoa(limit))
}

// runInstance runs one test of this binary as a process that serves.
func runInstance(t *testing.T, test string, env ...string) *instance {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), "GOCOVERDIR="+t.TempDir()), env...)
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

// outcome counts what became of the requests of a storm. Unknown are those that an
// instance refused which had waited for Redis in vain: it does not know whether
// they count. Where the machine holds up nobody, these are none. Of those that were
// cut off the client does not know: they had reached a process, which then died.
type outcome struct{ passed, unknown, cut, lost int64 }

func (o outcome) plus(p outcome) outcome {
	return outcome{o.passed + p.passed, o.unknown + p.unknown, o.cut + p.cut, o.lost + p.lost}
}

// storm sends from 64 connections to each of the instances, each of them n
// requests, and calls passed with the address of an instance that let one pass.
func storm(t *testing.T, path string, n int, passed func(addr string), addrs ...string) outcome {
	t.Helper()
	var yes, late, cut, lost atomic.Int64
	var wg sync.WaitGroup
	for _, addr := range addrs {
		transport := &http.Transport{MaxConnsPerHost: 64, MaxIdleConnsPerHost: 64}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		for range 64 {
			wg.Go(func() {
				for range n {
					// Not a GET, which the transport sends again when it was cut off.
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+path, nil)
					if err != nil {
						t.Error(err)
						return
					}
					resp, err := client.Do(r)
					switch {
					case errors.Is(err, syscall.ECONNREFUSED):
						lost.Add(1)
						continue
					case err != nil:
						cut.Add(1)
						continue
					}
					_ = resp.Body.Close()
					switch resp.StatusCode {
					case http.StatusNoContent:
						yes.Add(1)
						passed(addr)
					case http.StatusTooManyRequests:
					case http.StatusServiceUnavailable:
						late.Add(1)
					default:
						t.Errorf("status %d", resp.StatusCode)
					}
				}
			})
		}
	}
	wg.Wait()
	return outcome{yes.Load(), late.Load(), cut.Load(), lost.Load()}
}

func TestThrottleFourProcessesLetExactlyTheLimitPass(t *testing.T) {
	for _, path := range []string{"/one", "/three"} {
		t.Run(path[1:], func(t *testing.T) {
			var o outcome
			for range 3 { // until all is known
				_, prefix := redisPrefix(t)
				addrs := make([]string, 4)
				for i := range addrs {
					addrs[i] = startInstance(t, prefix, 100).addr
				}
				o = storm(t, path, 10, func(string) {}, addrs...)
				t.Logf("%+v", o)
				if o.unknown == 0 {
					break
				}
			}
			assert.Positive(t, o.passed)
			assert.LessOrEqual(t, o.passed, int64(100))
			assert.GreaterOrEqual(t, o.passed+o.unknown, int64(100))
			assert.Zero(t, o.cut+o.lost)
		})
	}
}

// TestThrottleProcessesThatAreKilledAndRestartedKeepTheCount kills one process
// between requests and one amid them, when most of the limit is still there.
func TestThrottleProcessesThatAreKilledAndRestartedKeepTheCount(t *testing.T) {
	const limit = 1000
	for _, path := range []string{"/one", "/three"} {
		t.Run(path[1:], func(t *testing.T) {
			hit := false
			for try := 0; try < 3 && !hit; try++ { // until the kill cuts off a request
				_, prefix := redisPrefix(t)
				instances := make([]*instance, 4)
				for i := range instances {
					instances[i] = startInstance(t, prefix, limit)
				}
				o := storm(t, path, 1, func(string) {}, instances[0].addr)
				require.EqualValues(t, 64, o.passed+o.unknown)
				instances[0].kill()
				instances[0] = startInstance(t, prefix, limit)

				var once sync.Once
				amid := storm(t, path, 10, func(addr string) {
					if addr == instances[1].addr {
						once.Do(instances[1].kill)
					}
				}, instances[0].addr, instances[1].addr, instances[2].addr, instances[3].addr)
				hit = amid.cut > 0 && amid.lost > 0
				instances[1] = startInstance(t, prefix, limit)
				o = o.plus(amid).plus(storm(t, path, 2, func(string) {}, instances[1].addr, instances[2].addr))
				t.Logf("%+v", o)
				assert.LessOrEqual(t, o.passed, int64(limit))
				assert.GreaterOrEqual(t, o.passed+o.unknown+o.cut, int64(limit), "what is missing was under way in the process that died")
			}
			assert.True(t, hit, "no request was under way in the process that died")
		})
	}
}

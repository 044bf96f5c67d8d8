package integration_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
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

const busyEnv = "RAMPART_BUSY_INSTANCE" // the prefix of its keys

// TestThrottleBusyInstance is no test: it is a process that falls back, as a service
// is set up that leaves all time limits as they are. Who calls is what X-Caller says.
func TestThrottleBusyInstance(t *testing.T) {
	prefix := os.Getenv(busyEnv)
	if prefix == "" {
		t.Skip("only as a process of other tests")
	}
	log := new(eventLog)
	store := openThrottle(t, redisClients()[0].open(t, redisAddr()), throttleredis.Config{Prefix: prefix, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	caller := func(dst []byte, r *http.Request) ([]byte, bool) {
		return append(dst, r.Header.Get("X-Caller")...), true
	}
	limiter, err := throttle.New(throttle.Config{
		Policies: []throttle.Policy{{Name: "hour", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Key: caller}},
		Store:    store, Outage: rampart.FallBack, Replicas: 3, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", limiter.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	mux.HandleFunc("/outages", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strconv.Itoa(log.count(`"event":"sys_backend_unavailable"`)))
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fmt.Println("serving on", listener.Addr())
	server := &http.Server{Handler: mux}
	_ = server.Serve(listener)
}

// busyInstance is such a process, and its client.
type busyInstance struct {
	*instance

	transport *http.Transport
}

func startBusy(t *testing.T, prefix string) busyInstance {
	t.Helper()
	i := busyInstance{runInstance(t, "TestThrottleBusyInstance", busyEnv+"="+prefix), &http.Transport{MaxIdleConnsPerHost: 1000}}
	t.Cleanup(i.transport.CloseIdleConnections)
	return i
}

// ask returns what a caller is answered.
func (i busyInstance) ask(t *testing.T, caller string) int {
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "http://"+i.addr+"/", nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("X-Caller", caller)
	resp, err := i.transport.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// keepBusy asks over so many connections until ctx ends, as a new caller each time.
func (i busyInstance) keepBusy(ctx context.Context, t *testing.T, wg *sync.WaitGroup, connections int) {
	for n := range connections {
		wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				i.ask(t, fmt.Sprint(i.addr, n, j))
			}
		})
	}
}

// outages returns how many the process has reported.
func (i busyInstance) outages(t *testing.T) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+i.addr+"/outages", nil)
	require.NoError(t, err)
	resp, err := i.transport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	n, err := strconv.Atoi(string(text))
	require.NoError(t, err)
	return n
}

// busy is what a caller of 100 an hour was answered, by three instances together.
type busy struct {
	passed, refused, unavailable int64
	outages                      int
}

// askBusy asks three instances as one caller, each over four connections, for three
// seconds and 200 times at least, while so many others keep each of them busy.
func askBusy(t *testing.T, noisy int) busy {
	t.Helper()
	_, prefix := redisPrefix(t)
	instances := make([]busyInstance, 3)
	for i := range instances {
		instances[i] = startBusy(t, prefix)
		defer instances[i].kill()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	var noise, callers sync.WaitGroup
	var passed, refused, unavailable atomic.Int64
	for _, instance := range instances {
		instance.keepBusy(ctx, t, &noise, noisy)
		for range 4 {
			callers.Go(func() {
				for time.Since(began) < 3*time.Second || passed.Load()+refused.Load()+unavailable.Load() < 200 {
					switch status := instance.ask(t, "one"); status {
					case http.StatusNoContent:
						passed.Add(1)
					case http.StatusTooManyRequests:
						refused.Add(1)
					case http.StatusServiceUnavailable:
						unavailable.Add(1)
					default:
						t.Errorf("status %d", status)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
	callers.Wait()
	cancel()
	noise.Wait()
	b := busy{passed.Load(), refused.Load(), unavailable.Load(), 0}
	for _, instance := range instances {
		b.outages += instance.outages(t)
	}
	return b
}

func TestThrottleBusyProcessesLetExactlyTheLimitPassWhileRedisIsHealthy(t *testing.T) {
	noisy, runs := []int{0, 250}, 1
	if os.Getenv("RAMPART_BARS") != "" {
		noisy, runs = []int{0, 30, 100, 250}, 5
	}
	for _, n := range noisy {
		for range runs {
			var b busy
			for range 3 { // until others on this machine leave the server something to run on
				b = askBusy(t, n)
				t.Logf("%d noisy connections: %+v", n, b)
				if b.outages == 0 {
					break
				}
			}
			assert.LessOrEqual(t, b.passed, int64(100))
			assert.GreaterOrEqual(t, b.passed+b.unavailable, int64(100), "who is refused for another reason is told so")
			assert.Zero(t, b.outages, "a wait for ourselves is no outage")
		}
	}
}

// TestThrottleAProcessThatWasFrozenTakesNoOutageFromIt stops one amid its calls for
// longer than any of them may take.
func TestThrottleAProcessThatWasFrozenTakesNoOutageFromIt(t *testing.T) {
	_, prefix := redisPrefix(t)
	i := startBusy(t, prefix)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	i.keepBusy(ctx, t, &wg, 100)
	for range 2 {
		time.Sleep(200 * time.Millisecond)
		require.NoError(t, i.cmd.Process.Signal(syscall.SIGSTOP))
		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, i.cmd.Process.Signal(syscall.SIGCONT))
	}
	time.Sleep(300 * time.Millisecond)
	cancel()
	wg.Wait()
	assert.Zero(t, i.outages(t))
}

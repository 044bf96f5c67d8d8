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
	"strings"
	"sync"
	"sync/atomic"
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
	caller := func(dst []byte, r *http.Request) ([]byte, bool) { return append(dst, r.Header.Get("X-Caller")...), true }
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

// busy is what a caller of 100 an hour was answered, by three instances together.
type busy struct{ passed, refused, unavailable, outages, noise int64 }

// askBusy asks three instances for a while as one caller, each over four connections,
// while so many others keep each of them busy with a new caller in each request.
func askBusy(t *testing.T, noisy int) (b busy) {
	t.Helper()
	const span = 3 * time.Second
	_, prefix := redisPrefix(t)
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var wg sync.WaitGroup
	var passed, refused, unavailable, noise atomic.Int64
	var instances []*instance
	for i := range 3 {
		instance := runInstance(t, "TestThrottleBusyInstance", busyEnv+"="+prefix)
		defer instance.kill()
		instances = append(instances, instance)
		transport := &http.Transport{MaxIdleConnsPerHost: noisy + 4}
		defer transport.CloseIdleConnections()
		ask := func(caller string) int {
			r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, "http://"+instance.addr+"/", nil)
			if err != nil {
				return 0
			}
			r.Header.Set("X-Caller", caller)
			resp, err := transport.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return 0
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		for n := range noisy {
			wg.Go(func() {
				for j := 0; ctx.Err() == nil; j++ {
					ask(fmt.Sprint(i, n, j))
					noise.Add(1)
				}
			})
		}
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					switch status := ask("one"); status {
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
	wg.Wait()
	b = busy{passed.Load(), refused.Load(), unavailable.Load(), 0, noise.Load()}
	for _, instance := range instances {
		resp, err := http.Get("http://" + instance.addr + "/outages") //nolint:noctx // as it stands
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		_ = resp.Body.Close()
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		require.NoError(t, err)
		b.outages += n
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
			b := askBusy(t, n)
			t.Logf("%d noisy connections: %+v", n, b)
			assert.LessOrEqual(t, b.passed, int64(100), "%d noisy connections", n)
			assert.GreaterOrEqual(t, b.passed+b.unavailable, int64(100), "who is refused for another reason is told so")
			assert.Zero(t, b.outages, "a wait for ourselves is no outage")
		}
	}
}

package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// fakeStore is a store far away: a Memory that can hang or fail.
type fakeStore struct {
	throttle.Store

	err  error
	hang bool
	took []context.Context
	gave int
}

func (f *fakeStore) fail(ctx context.Context) error {
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.err
}

func (f *fakeStore) Take(ctx context.Context, items []throttle.Item, out []throttle.Result) (bool, error) {
	f.took = append(f.took, ctx)
	if err := f.fail(ctx); err != nil {
		return false, err
	}
	return f.Store.Take(ctx, items, out)
}

func (f *fakeStore) Give(ctx context.Context, items []throttle.Item) error {
	f.gave++
	if err := f.fail(ctx); err != nil {
		return err
	}
	return f.Store.Give(ctx, items)
}

func (f *fakeStore) Reset(ctx context.Context, policy string, keys ...string) error {
	if err := f.fail(ctx); err != nil {
		return err
	}
	return f.Store.Reset(ctx, policy, keys...)
}

var errDown = errors.New("connection\nrefused")

func remote(t *testing.T, outage rampart.Outage, policies ...throttle.Policy) (*throttle.Limiter, *fakeStore, *events) {
	t.Helper()
	store, log := &fakeStore{Store: throttle.NewMemory(0)}, new(events)
	l := newLimiter(t, throttle.Config{Policies: policies, Store: store, Outage: outage, Replicas: 2, Logger: log.logger()})
	return l, store, log
}

func TestFailClosed(t *testing.T) {
	l, store, log := remote(t, rampart.FailClosed, anon(perHour(2)))
	_, reached := serve(l, get("192.0.2.7:1"))
	assert.True(t, reached)

	store.err = errDown
	for range 3 {
		w, reached := serve(l, get("192.0.2.7:1"))
		assert.False(t, reached)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		assert.Empty(t, w.Header().Get("RateLimit"))
		assert.NotContains(t, w.Body.String(), "refused")
		assert.Contains(t, w.Body.String(), `"code":"limits_unavailable"`)
	}
	_, err := l.Check(get("192.0.2.7:1"))
	require.ErrorIs(t, err, errDown)
	require.EqualError(t, err, "throttle: store_unavailable: connection\nrefused")
	_, err = l.Peek(t.Context(), "anon", "192.0.2.7")
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, l.Reset(t.Context(), "anon", "192.0.2.7"), errDown)
	down := log.named(t, rampart.SysBackendUnavailable)
	require.Len(t, down, 1, "one event when it changes")
	assert.NotContains(t, down[0]["error"], "\n")
	assert.Empty(t, log.named(t, rampart.SysBackendRecovered))

	store.err = nil
	for range 2 {
		_, err = l.Peek(t.Context(), "anon", "192.0.2.7")
		require.NoError(t, err)
	}
	assert.Len(t, log.named(t, rampart.SysBackendRecovered), 1)
	_, reached = serve(l, get("192.0.2.7:1"))
	assert.True(t, reached, "the count goes on where it was")
	_, reached = serve(l, get("192.0.2.7:1"))
	assert.False(t, reached)
	require.NoError(t, l.Reset(t.Context(), "anon", "192.0.2.7"))
	_, reached = serve(l, get("192.0.2.7:1"))
	assert.True(t, reached)
}

func TestFailOpen(t *testing.T) {
	refunding := anon(perHour(1))
	refunding.Refund = func(int) bool { return true }
	l, store, _ := remote(t, rampart.FailOpen, refunding)
	store.err = errDown
	for range 5 {
		w, reached := serve(l, get("192.0.2.7:1"))
		assert.True(t, reached)
		assert.Empty(t, w.Header(), "nothing is known, so nothing is said")
	}
	assert.Zero(t, store.gave, "what was not charged is not given back")
	d, err := l.Check(get("192.0.2.7:1"))
	require.NoError(t, err)
	assert.Empty(t, d.Results)
	res, err := l.Peek(t.Context(), "anon", "k")
	require.NoError(t, err)
	assert.Equal(t, 1, res.Remaining)
}

func TestFallBackCountsThisProcessesShare(t *testing.T) {
	bucket := anon(throttle.Rate{Count: 10, Period: time.Hour, Burst: 6})
	bucket.Name, bucket.Algorithm = "bucket", throttle.TokenBucket
	bucket.Match = func(r *http.Request) bool { return r.Method == http.MethodPut }
	rare := anon(perHour(1))
	rare.Name = "rare"
	rare.Match = func(r *http.Request) bool { return r.Method == http.MethodPost }
	dear := anon(perHour(4))
	dear.Name, dear.Cost = "dear", func(*http.Request) int { return 4 }
	dear.Match = func(r *http.Request) bool { return r.Method == http.MethodDelete }
	l, store, _ := remote(t, rampart.FallBack, anon(perHour(8)), bucket, rare, dear)
	store.err = errDown

	passing := func(method, addr string) (n int, fields string) {
		for range 20 {
			r := get(addr)
			r.Method = method
			w, reached := serve(l, r)
			if !reached {
				assert.Equal(t, http.StatusTooManyRequests, w.Code)
				break
			}
			n++
			fields = w.Header().Get("RateLimit-Policy")
		}
		return n, fields
	}
	n, fields := passing(http.MethodGet, "192.0.2.1:1")
	assert.Equal(t, 4, n)
	assert.Equal(t, `"anon";q=8;w=3600`, fields, "the whole limit")
	n, _ = passing(http.MethodPut, "192.0.2.2:1")
	assert.Equal(t, 3, n, "half the burst")
	n, fields = passing(http.MethodPost, "192.0.2.3:1")
	assert.Equal(t, 1, n, "at least one")
	assert.Equal(t, `"anon";q=8;w=3600, "rare";q=1;w=7200`, fields, "in a longer period")
	n, _ = passing(http.MethodDelete, "192.0.2.4:1")
	assert.Equal(t, 1, n, "a cost that fits the limit fits the share")

	require.ErrorIs(t, l.Reset(t.Context(), "anon", "192.0.2.1"), errDown)
	n, _ = passing(http.MethodGet, "192.0.2.1:1")
	assert.Equal(t, 4, n, "reset here all the same")

	store.err = nil
	n, _ = passing(http.MethodGet, "192.0.2.1:1")
	assert.Equal(t, 8, n, "the store has counted nothing meanwhile")
}

func TestRefundsGoWhereTheChargeWasMade(t *testing.T) {
	p := anon(perHour(2))
	p.Refund = func(int) bool { return true }
	shadow := p
	shadow.Name, shadow.Shadow = "shadow", true
	l, store, _ := remote(t, rampart.FallBack, p, shadow)
	for range 5 {
		_, reached := serve(l, get("192.0.2.7:1"))
		assert.True(t, reached)
	}
	assert.Equal(t, 10, store.gave)
	store.err = errDown
	for range 5 {
		_, reached := serve(l, get("192.0.2.7:1"))
		assert.True(t, reached)
	}
	assert.Equal(t, 10, store.gave)

	shadowOnly, down, _ := remote(t, rampart.FailClosed, shadow)
	down.err = errDown
	_, reached := serve(shadowOnly, get("192.0.2.7:1"))
	assert.True(t, reached, "a shadow refuses not even then")
}

func TestAStoreThatHangsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store, _ := remote(t, rampart.FailClosed, anon(perHour(2)))
		store.hang = true
		start := time.Now()
		w, _ := serve(l, get("192.0.2.7:1"))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestAClientThatHangsUpDoesNotEscapeItsCharge(t *testing.T) {
	l, store, _ := remote(t, rampart.FailOpen, anon(perHour(2)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	serve(l, get("192.0.2.7:1").WithContext(ctx))
	require.Len(t, store.took, 1)
	res, err := l.Peek(t.Context(), "anon", "192.0.2.7")
	require.NoError(t, err)
	assert.Equal(t, 1, res.Remaining)
}

// uncomparable is a store whose == panics.
type uncomparable struct {
	throttle.Store

	_ []int
}

func TestReconfigureKeepsWhatIsKnownOfTheStore(t *testing.T) {
	l, store, log := remote(t, rampart.FallBack, anon(perHour(4)))
	store.err = errDown
	serve(l, get("192.0.2.7:1"))
	cfg := throttle.Config{Policies: []throttle.Policy{anon(perHour(4))}, Store: store, Outage: rampart.FallBack, Replicas: 2, Timeout: time.Second, Logger: log.logger()}
	require.NoError(t, l.Reconfigure(cfg))
	w, _ := serve(l, get("192.0.2.7:1"))
	assert.Equal(t, `"anon";r=0;t=3600`, w.Header().Get("RateLimit"), "the local share goes on")
	assert.Len(t, log.named(t, rampart.SysBackendUnavailable), 1)

	cfg.Store = uncomparable{Store: store}
	require.NoError(t, l.Reconfigure(cfg))
	require.NoError(t, l.Reconfigure(cfg), "a store that cannot be compared is another one")
}

func TestAProcessThatIsTooBusyToAskRefusesWhateverTheOutagePolicy(t *testing.T) {
	for desc, outage := range map[string]rampart.Outage{"FailClosed": rampart.FailClosed, "FailOpen": rampart.FailOpen, "FallBack": rampart.FallBack} {
		t.Run(desc, func(t *testing.T) {
			refunding := anon(perHour(2))
			refunding.Refund = func(int) bool { return true }
			l, store, log := remote(t, outage, refunding)
			store.err = fmt.Errorf("far away: %w", throttle.ErrBusy)
			for range 5 {
				w, reached := serve(l, get("192.0.2.7:1"))
				assert.False(t, reached)
				assert.Equal(t, http.StatusServiceUnavailable, w.Code)
				assert.Equal(t, "1", w.Header().Get("Retry-After"))
			}
			_, err := l.Check(get("192.0.2.7:1"))
			require.ErrorIs(t, err, throttle.ErrBusy)
			assert.Zero(t, store.gave)
			assert.Empty(t, log.named(t, rampart.SysBackendUnavailable), "it is no outage")
			store.err = errDown
			_, _ = serve(l, get("192.0.2.7:1"))
			store.err = throttle.ErrBusy
			_, _ = serve(l, get("192.0.2.7:1"))
			assert.Empty(t, log.named(t, rampart.SysBackendRecovered), "nor the end of one")
		})
	}
}

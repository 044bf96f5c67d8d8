package throttleredis_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// What the scripts do is tested against a real server in internal/integration.

// server is a Redis that answers as it is told.
type server struct {
	mu     sync.Mutex
	calls  [][]string
	answer func(ctx context.Context, args []string) (any, error)
}

func (s *server) do(ctx context.Context, args ...any) (any, error) {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = arg.(string)
	}
	s.mu.Lock()
	s.calls = append(s.calls, words)
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx, words)
}

func (s *server) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *server) set(answer func(ctx context.Context, args []string) (any, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// replying answers with numbers: passed, now, and four for each item.
func replying(numbers ...float64) func(context.Context, []string) (any, error) {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
	}
	return func(context.Context, []string) (any, error) { return string(b), nil }
}

func failing(err error) func(context.Context, []string) (any, error) {
	return func(context.Context, []string) (any, error) { return nil, err }
}

// second is one in the numbers of a reply.
const second = 1e6

// logBuffer is a log that is read while timers write to it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func open(t *testing.T, cfg throttleredis.Config) (*throttleredis.Store, *server, *logBuffer) {
	t.Helper()
	srv, log := new(server), new(logBuffer)
	cfg.Logger = slog.New(slog.NewJSONHandler(log, nil))
	store, err := throttleredis.New(srv.do, cfg)
	require.NoError(t, err)
	return store, srv, log
}

func item(policy, key string, cost int) throttle.Item {
	return throttle.Item{Policy: policy, Key: key, Rate: throttle.Rate{Count: 10, Period: time.Hour}, Cost: cost}
}

func take(t *testing.T, s *throttleredis.Store, items ...throttle.Item) (bool, []throttle.Result, error) {
	t.Helper()
	out := make([]throttle.Result, len(items))
	ok, err := s.Take(t.Context(), items, out)
	return ok, out, err
}

func TestNewTellsEveryMistake(t *testing.T) {
	for prefix, timeout := range map[string]time.Duration{"a{b": -1, "a}b": time.Minute + 1, "a\nb": time.Hour, strings.Repeat("x", 201): -time.Minute} {
		_, err := throttleredis.New(nil, throttleredis.Config{Prefix: prefix, DenyFor: time.Hour, Timeout: timeout})
		var got []string
		for m := range rampart.Mistakes(err) {
			assert.Contains(t, m.Type, "throttleredis.")
			got = append(got, m.Field+" "+string(m.Reason))
		}
		assert.Equal(t, []string{"do missing", "Prefix invalid", "DenyFor invalid", "Timeout invalid"}, got)
	}
}

func TestAllItemsOfARequestAreOneCallWithHashedKeysOfOneTag(t *testing.T) {
	store, srv, _ := open(t, throttleredis.Config{})
	srv.answer = replying(1, 5*second, 7, 0, 0, 3600*second, 9, 0, -3, 60*second)
	ok, out, err := take(t, store, item("hour", "192.0.2.7", 3), item("day", "alice", 1))
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, []throttle.Result{
		{Policy: "hour", Limit: 10, Remaining: 7, ResetAfter: time.Hour, At: 5e6},
		{Policy: "day", Limit: 10, Remaining: 9, ResetAfter: time.Minute, At: 5e6},
	}, out)
	require.Len(t, srv.calls, 1)
	args := srv.calls[0]
	require.Len(t, args, 7)
	assert.Equal(t, "EVALSHA", args[0])
	assert.Equal(t, "2", args[2])
	for _, key := range args[3:5] {
		assert.Regexp(t, `^\{rampart:throttle\}:[A-Za-z0-9_-]{22}$`, key)
	}
	assert.NotEqual(t, args[3], args[4])
	assert.NotContains(t, strings.Join(args, " "), "192.0.2.7")
	assert.NotContains(t, strings.Join(args, " "), "alice")
	assert.Equal(t, args[5][40:48], args[6][40:48], "the fingerprint of their rate")
}

func TestSpreadKeysAreTaggedByWhoPays(t *testing.T) {
	store, srv, _ := open(t, throttleredis.Config{Prefix: "shop", Spread: true})
	srv.answer = replying(1, 0, 7, 0, 0, 0, 7, 0, 0, 0)
	_, _, err := take(t, store, item("hour", "alice", 1), item("day", "alice", 1))
	require.NoError(t, err)
	args := srv.calls[0]
	assert.Regexp(t, `^shop:\{[A-Za-z0-9_-]{22}\}:[A-Za-z0-9_-]{22}$`, args[3])
	assert.Equal(t, args[3][:len("shop:{}")+22], args[4][:len("shop:{}")+22])
	_, _, err = take(t, store, item("hour", "alice", 1), item("day", "bob", 1))
	require.ErrorIs(t, err, throttleredis.ErrItems)
	srv.answer = func(context.Context, []string) (any, error) { return int64(1), nil }
	require.NoError(t, store.Reset(t.Context(), "hour", "alice", "bob"))
	assert.Len(t, srv.calls, 3, "one command for each slot")
}

func TestItemsThatNoCallCanChargeAreRefused(t *testing.T) {
	store, srv, _ := open(t, throttleredis.Config{})
	none, negative, odd := item("p", "k", 1), item("p", "k", -1), item("p", "k", 1)
	none.Rate, odd.Algorithm = throttle.Rate{}, 9
	for _, items := range [][]throttle.Item{{none}, {negative}, {odd}, {item("p", "k", 1), item("p", "k", 1)}} {
		ok, _, err := take(t, store, items...)
		require.ErrorIs(t, err, throttleredis.ErrItems)
		require.False(t, ok)
	}
	ok, _, err := take(t, store)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Zero(t, srv.asked())
}

func TestCostsAboveTheLimitAreNeverLetPass(t *testing.T) {
	store, srv, _ := open(t, throttleredis.Config{})
	srv.answer = replying(0, 0, 10, 0, 0, 0, 4, 0, 0, 0)
	ok, out, err := take(t, store, item("p", "k", 11), item("q", "k", 1))
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Equal(t, throttle.Never, out[0].RetryAfter)
	assert.Zero(t, out[1].RetryAfter)
	_, _, err = take(t, store, item("p", "k", 11), item("q", "k", 1))
	require.NoError(t, err)
	assert.Equal(t, 2, srv.asked(), "no refusal to remember")
}

func TestTokensAreCountedInWholeNumbers(t *testing.T) {
	store, srv, _ := open(t, throttleredis.Config{})
	third := throttle.Item{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 3, Period: time.Second, Burst: 5}, Algorithm: throttle.TokenBucket, Cost: 1}
	srv.answer = replying(1, 0, 1333333, 1000, 0, 333333)
	_, out, err := take(t, store, third)
	require.NoError(t, err)
	assert.Equal(t, throttle.Result{Policy: "p", Limit: 5, Remaining: 4, ResetAfter: 333334 * time.Microsecond}, out[0])
	srv.answer = replying(1, 0, 1333333, 999, 0, 333333)
	_, out, err = take(t, store, third)
	require.NoError(t, err)
	assert.Equal(t, 3, out[0].Remaining)
	srv.answer = replying(1, 0, math.MaxFloat64, math.MaxFloat64, 0, math.NaN())
	third.Rate = throttle.Rate{Count: 1<<31 - 1, Period: 1, Burst: 1<<31 - 1}
	_, out, err = take(t, store, third)
	require.NoError(t, err)
	assert.Equal(t, 1<<31-1, out[0].Remaining, "numbers out of range are brought back")
	third.Rate = throttle.Rate{Count: 1, Period: math.MaxInt64, Burst: 1<<31 - 1} // not valid, but no panic either
	_, _, err = take(t, store, third)
	require.NoError(t, err)
	srv.answer = replying(1, 0, 1e13, 0, 0, 0)
	third.Rate = throttle.Rate{Count: 1000, Period: 24 * time.Hour, Burst: 10}
	_, out, err = take(t, store, third)
	require.NoError(t, err)
	assert.Equal(t, 10, out[0].Remaining)
}

func TestRepliesThatTheScriptDoesNotMakeAreErrors(t *testing.T) {
	for desc, reply := range map[string]any{
		"none":                nil,
		"a number":            int64(1),
		"a list":              []any{int64(1)},
		"too short":           []byte("12345678"),
		"refused for nothing": func() any { s, _ := replying(0, 0, 10, 0, 0, 0)(t.Context(), nil); return s }(),
		"passed and waiting":  func() any { s, _ := replying(1, 0, 10, 0, 5, 0)(t.Context(), nil); return s }(),
	} {
		t.Run(desc, func(t *testing.T) {
			store, srv, _ := open(t, throttleredis.Config{})
			srv.answer = func(context.Context, []string) (any, error) { return reply, nil }
			ok, _, err := take(t, store, item("p", "k", 1))
			require.ErrorContains(t, err, "a reply of Redis that the script does not make")
			assert.False(t, ok)
		})
	}
}

func TestAFloodOfRefusedRequestsDoesNotReachRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, srv, _ := open(t, throttleredis.Config{})
		srv.answer = replying(0, 1, 3, 0, 0, 0, 0, 0, 3*second, 60*second)
		for range 1000 {
			time.Sleep(500 * time.Microsecond)
			ok, out, err := take(t, store, item("wide", "k", 1), item("narrow", "k", 1))
			require.NoError(t, err)
			assert.False(t, ok)
			assert.Positive(t, out[1].RetryAfter)
			assert.Positive(t, out[1].ResetAfter)
		}
		assert.Equal(t, 1, srv.asked())
		_, out, err := take(t, store, item("other", "j", 1), item("narrow", "k", 1), item("peek", "k", 0))
		require.NoError(t, err)
		assert.Equal(t, []throttle.Result{
			{Policy: "other", Limit: 10, Unknown: true},
			{Policy: "narrow", Limit: 10, RetryAfter: 2500*time.Millisecond + 500*time.Microsecond, ResetAfter: 59500*time.Millisecond + 500*time.Microsecond, At: 1},
			{Policy: "peek", Limit: 10, Unknown: true},
		}, out)

		// Another bucket, or another cost, is asked about.
		day := item("narrow", "k", 1)
		day.Rate.Period = 24 * time.Hour
		for _, it := range []throttle.Item{item("narrow", "j", 1), item("wide", "k", 1), item("narrow", "k", 2), item("narrow", "k", 0), day} {
			srv.answer = replying(1, 1, 3, 0, 0, 0)
			before := srv.asked()
			ok, _, err := take(t, store, it)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, before+1, srv.asked())
		}

		before := srv.asked()
		time.Sleep(501 * time.Millisecond) // a second after the refusal
		ok, _, err := take(t, store, item("narrow", "k", 1))
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, before+1, srv.asked(), "a second later it is asked again")
	})
}

func TestARefusalIsRememberedNoLongerThanItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, srv, _ := open(t, throttleredis.Config{})
		srv.answer = replying(0, 1, 0, 0, 0.02*second, 60*second)
		_, out, err := take(t, store, item("p", "k", 1))
		require.NoError(t, err)
		srv.answer = replying(1, 1, 0, 0, 0, 60*second)
		time.Sleep(out[0].RetryAfter)
		ok, _, err := take(t, store, item("p", "k", 1))
		require.NoError(t, err)
		assert.True(t, ok, "who waits as long as told may go")
	})
}

func TestGiveAndResetMakeARefusalForgotten(t *testing.T) {
	for desc, undo := range map[string]func(*throttleredis.Store, context.Context) error{
		"give": func(s *throttleredis.Store, ctx context.Context) error {
			return s.Give(ctx, []throttle.Item{item("p", "k", 1)})
		},
		"reset": func(s *throttleredis.Store, ctx context.Context) error { return s.Reset(ctx, "p", "k") },
	} {
		t.Run(desc, func(t *testing.T) {
			store, srv, _ := open(t, throttleredis.Config{})
			srv.answer = replying(0, 1, 0, 0, second, second)
			_, _, err := take(t, store, item("p", "k", 1))
			require.NoError(t, err)
			require.NoError(t, undo(store, t.Context()))
			_, _, err = take(t, store, item("p", "k", 1))
			require.NoError(t, err)
			assert.Equal(t, 3, srv.asked())
		})
	}
	store, srv, _ := open(t, throttleredis.Config{DenyFor: -1})
	srv.answer = replying(0, 1, 0, 0, second, second)
	for range 3 {
		_, _, err := take(t, store, item("p", "k", 1))
		require.NoError(t, err)
	}
	require.NoError(t, store.Give(t.Context(), []throttle.Item{item("p", "k", 1)}))
	require.NoError(t, store.Give(t.Context(), []throttle.Item{item("p", "k", 0), item("p", "k", 11)}), "nothing to give")
	require.NoError(t, store.Reset(t.Context(), "p"), "nothing to reset")
	assert.Equal(t, 4, srv.asked(), "nothing is remembered")
	require.ErrorIs(t, store.Give(t.Context(), []throttle.Item{item("p", "k", 1), item("p", "k", 1)}), throttleredis.ErrItems)
}

func TestARefusalThatWasUnderWayDuringAResetIsNotRemembered(t *testing.T) {
	store, srv, _ := open(t, throttleredis.Config{})
	refuse, done := replying(0, 1, 0, 0, second, second), replying()
	srv.answer = func(ctx context.Context, args []string) (any, error) {
		if args[0] == "DEL" {
			return done(ctx, args)
		}
		assert.NoError(t, store.Reset(ctx, "p", "k")) // between the answer and its arrival
		return refuse(ctx, args)
	}
	ok, _, err := take(t, store, item("p", "k", 1))
	require.NoError(t, err)
	assert.False(t, ok)
	srv.set(replying(1, 0, 9, 0, 0, 0))
	ok, _, err = take(t, store, item("p", "k", 1))
	require.NoError(t, err)
	assert.True(t, ok)
}

func TestTheZeroStoreFails(t *testing.T) {
	var store throttleredis.Store
	_, _, err := take(t, &store, item("p", "k", 1))
	require.Error(t, err)
	require.Error(t, store.Give(t.Context(), []throttle.Item{item("p", "k", 1)}))
	require.Error(t, store.Reset(t.Context(), "p", "k"))
}

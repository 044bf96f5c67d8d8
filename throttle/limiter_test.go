package throttle_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/throttle"
)

// events is a log that is read back.
type events struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (e *events) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.buf.Write(b)
}

func (e *events) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(e, nil)) }

// named returns the records of an event.
func (e *events) named(t *testing.T, name rampart.Event) []map[string]any {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(e.buf.String()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		if record["event"] == string(name) {
			found = append(found, record)
		}
	}
	return found
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newLimiter(t *testing.T, cfg throttle.Config) *throttle.Limiter {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	l, err := throttle.New(cfg)
	require.NoError(t, err)
	return l
}

func anon(rate throttle.Rate) throttle.Policy {
	return throttle.Policy{Name: "anon", Rate: rate, Key: throttle.ByIP(nil)}
}

func perHour(n int) throttle.Rate { return throttle.Rate{Count: n, Period: time.Hour} }

// serve returns the answer and whether next ran.
func serve(l *throttle.Limiter, r *http.Request) (*httptest.ResponseRecorder, bool) {
	reached := false
	w := httptest.NewRecorder()
	l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
	return w, reached
}

func TestCheckChargesAndSaysWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(2))}})
		for left := 1; left >= 0; left-- {
			d, err := l.Check(get("192.0.2.7:1"))
			require.NoError(t, err)
			assert.True(t, d.Allowed)
			assert.Empty(t, d.Policy)
			require.Len(t, d.Results, 1)
			assert.Equal(t, "anon", d.Results[0].Policy)
			assert.Equal(t, 2, d.Results[0].Limit)
			assert.Equal(t, left, d.Results[0].Remaining)
		}
		d, err := l.Check(get("192.0.2.7:1"))
		var denied *throttle.DeniedError
		require.ErrorAs(t, err, &denied)
		assert.Equal(t, throttle.QuotaExceeded, denied.Reason)
		assert.Equal(t, d, denied.Decision)
		assert.False(t, d.Allowed)
		assert.Equal(t, "anon", d.Policy)
		assert.Equal(t, time.Hour, d.Results[0].RetryAfter)
		require.EqualError(t, err, `throttle: quota_exceeded: policy "anon"`)

		_, err = l.Check(get("192.0.2.8:1"))
		require.NoError(t, err, "another address")
	})
}

func TestPoliciesAreChargedTogetherOrNotAtAll(t *testing.T) {
	tight := anon(throttle.Rate{Count: 1, Period: time.Minute})
	tight.Name = "minute"
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(5)), tight}})
	_, err := l.Check(get("192.0.2.7:1"))
	require.NoError(t, err)
	for range 10 {
		d, err := l.Check(get("192.0.2.7:1"))
		require.Error(t, err)
		assert.Equal(t, "minute", d.Policy)
	}
	res, err := l.Peek(t.Context(), "anon", "192.0.2.7")
	require.NoError(t, err)
	assert.Equal(t, 4, res.Remaining, "refused requests are not charged to the other policy")
}

func TestAPolicyDecidesWhomItIsFor(t *testing.T) {
	writes := anon(perHour(1))
	writes.Name = "writes"
	writes.Match = func(r *http.Request) bool { return r.Method == http.MethodPost }
	users := throttle.Policy{
		Name: "user", Rate: perHour(1),
		Key: throttle.By("subject", func(r *http.Request) string { return r.Header.Get("Subject") }),
		RateFor: func(r *http.Request) throttle.Rate {
			switch r.Header.Get("Plan") {
			case "gold":
				return perHour(10)
			case "broken":
				return throttle.Rate{Count: -1, Period: time.Hour}
			default:
				return throttle.Rate{}
			}
		},
		Cost: func(r *http.Request) int { return len(r.Header["X-Unit"]) - len(r.Header["X-Negative"]) },
	}
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{writes, users}})

	d, err := l.Check(get("192.0.2.7:1"))
	require.NoError(t, err)
	assert.Empty(t, d.Results, "no policy applies")

	r := get("192.0.2.7:1")
	r.Method = http.MethodPost
	d, err = l.Check(r)
	require.NoError(t, err)
	require.Len(t, d.Results, 1)
	assert.Equal(t, "writes", d.Results[0].Policy)

	r = get("192.0.2.7:1")
	r.Header = http.Header{"Subject": {"42"}, "Plan": {"gold"}, "X-Unit": {"", "", ""}}
	d, err = l.Check(r)
	require.NoError(t, err)
	assert.Equal(t, 10, d.Results[0].Limit)
	assert.Equal(t, 7, d.Results[0].Remaining)

	r.Header = http.Header{"Subject": {"42"}}
	d, err = l.Check(r)
	require.NoError(t, err, "a cost of nothing")
	assert.Equal(t, 1, d.Results[0].Limit, "the rate of the policy")

	r.Header = http.Header{"Subject": {"42"}, "X-Negative": {""}}
	d, err = l.Check(r)
	require.Error(t, err, "a negative cost")
	assert.Equal(t, throttle.Never, d.Results[0].RetryAfter)

	r.Header = http.Header{"Subject": {"42"}, "Plan": {"broken"}, "X-Unit": {""}}
	_, err = l.Check(r)
	require.EqualError(t, err, `throttle: not_configured: policy "user"`)
}

func TestARequestWhoseCallerCannotBeToldIsRefused(t *testing.T) {
	var log events
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(5))}, Logger: log.logger()})
	w, reached := serve(l, get("@"))
	assert.False(t, reached)
	assert.Equal(t, http.StatusForbidden, w.Code)
	assert.JSONEq(t, `{"title":"Forbidden","status":403,"detail":"The caller of this request cannot be told.","code":"caller_unknown"}`, w.Body.String())
	assert.Empty(t, w.Header().Get("Retry-After"))
	got := log.named(t, rampart.ExcessRateLimit)
	require.Len(t, got, 1)
	assert.Equal(t, "caller_unknown", got[0]["reason"])
	assert.Equal(t, "anon", got[0]["policy"])
}

func TestTakePeekReset(t *testing.T) {
	var log events
	plan := throttle.Policy{Name: "plan", RateFor: func(*http.Request) throttle.Rate { return perHour(1) }, Key: throttle.ByIP(nil)}
	shadow := anon(perHour(1))
	shadow.Name, shadow.Shadow = "shadow", true
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(5)), plan, shadow}, Logger: log.logger()})

	d, err := l.Take(t.Context(), "anon", "192.0.2.7", 4)
	require.NoError(t, err)
	assert.Equal(t, 1, d.Results[0].Remaining)
	res, err := l.Peek(t.Context(), "anon", "192.0.2.7")
	require.NoError(t, err)
	assert.Equal(t, 1, res.Remaining)
	assert.Zero(t, res.RetryAfter)
	_, err = l.Take(t.Context(), "anon", "192.0.2.7", 2)
	var denied *throttle.DeniedError
	require.ErrorAs(t, err, &denied)
	assert.Len(t, log.named(t, rampart.ExcessRateLimit), 1)
	d, err = l.Check(get("192.0.2.7:1"))
	require.NoError(t, err, "the key is the one that ByIP makes")
	assert.Equal(t, 0, d.Results[0].Remaining)

	require.NoError(t, l.Reset(t.Context(), "anon", "192.0.2.7"))
	res, err = l.Peek(t.Context(), "anon", "192.0.2.7")
	require.NoError(t, err)
	assert.Equal(t, 5, res.Remaining)

	require.NoError(t, l.Reset(t.Context(), "plan", "192.0.2.7"), "whatever its rates were")
	_, err = l.Check(get("192.0.2.7:1"))
	require.NoError(t, err)

	for range 3 {
		d, err = l.Take(t.Context(), "shadow", "k", 1)
		require.NoError(t, err, "a shadow never refuses")
		assert.True(t, d.Allowed)
	}

	_, err = l.Take(t.Context(), "plan", "k", 1)
	require.ErrorIs(t, err, throttle.ErrNeedsRequest)
	_, err = l.Peek(t.Context(), "plan", "k")
	require.ErrorIs(t, err, throttle.ErrNeedsRequest)
	_, err = l.Take(t.Context(), "nobody", "k", 1)
	require.ErrorIs(t, err, throttle.ErrUnknownPolicy)
	require.ErrorIs(t, l.Reset(t.Context(), "nobody", "k"), throttle.ErrUnknownPolicy)
	_, err = l.Take(t.Context(), "anon", "", 1)
	require.ErrorIs(t, err, throttle.ErrInvalidCall)
	_, err = l.Take(t.Context(), "anon", "k", 0)
	require.ErrorIs(t, err, throttle.ErrInvalidCall)
}

func TestAShadowCountsAndReportsButNeverRefuses(t *testing.T) {
	var log events
	shadow := anon(perHour(2))
	shadow.Name, shadow.Shadow = "trial", true
	unknown := shadow
	unknown.Name, unknown.Key = "unknown", func(dst []byte, _ *http.Request) ([]byte, bool) { return dst, true }
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{shadow, unknown, anon(perHour(4))}, Logger: log.logger()})
	for range 3 {
		w, reached := serve(l, get("192.0.2.7:1"))
		assert.True(t, reached)
		assert.NotContains(t, w.Header().Get("RateLimit"), "trial")
	}
	got := log.named(t, rampart.ExcessRateLimit)
	require.Len(t, got, 1)
	assert.Equal(t, "trial", got[0]["policy"])
	assert.Equal(t, true, got[0]["shadow"])

	serve(l, get("192.0.2.7:1"))
	_, reached := serve(l, get("192.0.2.7:1"))
	assert.False(t, reached, "the real limit")
}

func TestReconfigureKeepsTheCountsOfUnchangedRates(t *testing.T) {
	changing := anon(perHour(3))
	changing.Name = "changing"
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(3)), changing}})
	_, err := l.Check(get("192.0.2.7:1"))
	require.NoError(t, err)

	require.Error(t, l.Reconfigure(throttle.Config{}))
	_, err = l.Check(get("192.0.2.7:1"))
	require.NoError(t, err, "a mistake changes nothing")

	changing.Rate = perHour(4)
	require.NoError(t, l.Reconfigure(throttle.Config{Policies: []throttle.Policy{changing, anon(perHour(3))}, Logger: quiet()}))
	d, err := l.Check(get("192.0.2.7:1"))
	require.NoError(t, err)
	assert.Equal(t, 3, d.Results[0].Remaining, "changed: starts anew")
	assert.Equal(t, 0, d.Results[1].Remaining, "unchanged: keeps its count")

	require.NoError(t, l.Reconfigure(throttle.Config{Policies: []throttle.Policy{anon(perHour(3))}, Store: throttle.NewMemory(1)}))
	d, err = l.Check(get("192.0.2.7:1"))
	require.NoError(t, err, "another store")
	assert.Equal(t, 2, d.Results[0].Remaining)
}

func TestTheZeroLimiterRefuses(t *testing.T) {
	var l throttle.Limiter
	_, err := l.Check(get("192.0.2.7:1"))
	require.EqualError(t, err, "throttle: not_configured")
	_, err = l.Take(t.Context(), "p", "k", 1)
	require.Error(t, err)
	_, err = l.Peek(t.Context(), "p", "k")
	require.Error(t, err)
	require.Error(t, l.Reset(t.Context(), "p", "k"))
	w, reached := serve(&l, get("192.0.2.7:1"))
	assert.False(t, reached)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestNewReportsEveryMistake(t *testing.T) {
	key := throttle.ByIP(nil)
	_, err := throttle.New(throttle.Config{})
	require.Equal(t, "Policies: missing", conferrtest.Text(err))

	l, err := throttle.New(throttle.Config{
		Policies: []throttle.Policy{
			{},
			{Name: "a b", Rate: perHour(0), Key: key},
			{Name: "a", Rate: throttle.Rate{Count: 1, Period: time.Hour, Burst: 2}, Key: key},
			{Name: "a", Rate: throttle.Rate{Count: 1, Period: time.Hour, Burst: 2}, Key: key, Algorithm: throttle.TokenBucket},
			{Name: strings.Repeat("x", 65), Rate: perHour(1), Key: key, Algorithm: 7},
			{Name: "slow", Rate: throttle.Rate{Count: 1, Period: 366 * 24 * time.Hour, Burst: 11}, Key: key, Algorithm: throttle.TokenBucket},
			{Name: "slower", Rate: throttle.Rate{Count: 1, Period: 366 * 24 * time.Hour, Burst: 1 << 30}, Key: key, Algorithm: throttle.TokenBucket},
			{Name: "least", Rate: perHour(1), Least: perHour(2), Key: key},
			{Name: "huge", Rate: throttle.Rate{Count: 1 << 30, Period: 366 * 24 * time.Hour, Burst: 1<<31 - 1}, Key: key, Algorithm: throttle.TokenBucket},
		},
		Store:    &fakeStore{},
		Timeout:  -1,
		Replicas: -1,
		Headers:  9,
	})
	assert.Nil(t, l)
	require.Error(t, err)
	assert.Equal(t, []string{
		`Policies[0].Name: missing`,
		`Policies[0].Rate: missing`,
		`Policies[0].Key: missing`,
		`Policies[1].Name: invalid: "a b"`,
		`Policies[1].Rate: invalid: "0/h"`,
		`Policies[2].Rate: invalid: "1/h burst=2"`,
		`Policies[3].Name: duplicate: "a"`,
		`Policies[4].Name: invalid: "` + strings.Repeat("x", 65) + `"`,
		`Policies[4].Algorithm: invalid: "7"`,
		`Policies[5].Rate: invalid: "1/366d burst=11"`,
		`Policies[6].Rate: invalid: "1/366d burst=1073741824"`,
		`Policies[7].Least: invalid: "2/h"`,
		`Timeout: invalid: "-1ns"`,
		`Outage: missing`,
		`Replicas: invalid: "-1"`,
		`Headers: invalid: "9"`,
	}, strings.Split(conferrtest.Text(err), "\n"))
	for range rampart.Mistakes(err) {
		break
	}

	one := []throttle.Policy{anon(perHour(1))}
	_, err = throttle.New(throttle.Config{Policies: one, Store: &fakeStore{}, Outage: rampart.FallBack})
	require.Equal(t, "Replicas: missing", conferrtest.Text(err))
	_, err = throttle.New(throttle.Config{Policies: one, Outage: 9})
	require.Equal(t, "Outage: invalid: \"9\"", conferrtest.Text(err))
	_, err = throttle.New(throttle.Config{Policies: one, Store: new(throttle.Memory)})
	require.Equal(t, "Store: invalid", conferrtest.Text(err))
	_, err = throttle.New(throttle.Config{Policies: one, Store: (*throttle.Memory)(nil)})
	require.Equal(t, "Store: invalid", conferrtest.Text(err))

	assert.False(t, reflect.TypeFor[throttle.Config]().Comparable())
	assert.False(t, reflect.TypeFor[throttle.Policy]().Comparable())
}

func TestLaterChangesOfConfigHaveNoEffect(t *testing.T) {
	policies := []throttle.Policy{anon(perHour(1))}
	l := newLimiter(t, throttle.Config{Policies: policies})
	policies[0].Rate = perHour(100)
	_, err := l.Check(get("192.0.2.7:1"))
	require.NoError(t, err)
	_, err = l.Check(get("192.0.2.7:1"))
	require.Error(t, err)
}

func TestAKeyInMemoryOfItsOwnIsTakenWhole(t *testing.T) {
	names := [][]byte{[]byte("one"), []byte("two")}
	var caller int
	own := func([]byte, *http.Request) ([]byte, bool) { return names[caller], true }
	nobody := func([]byte, *http.Request) ([]byte, bool) { return nil, true }
	policy := func(name string, key throttle.KeyFunc) throttle.Policy {
		return throttle.Policy{Name: name, Rate: perHour(2), Key: key}
	}
	for desc, key := range map[string]throttle.KeyFunc{"alone": own, "as a part": throttle.Joint(throttle.ByIP(nil), own)} {
		first := policy("first", throttle.ByIP(nil))
		first.Rate = perHour(100)
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{first, policy("second", key)}})
		for caller = range names {
			for i, want := range []bool{true, true, false} {
				_, reached := serve(l, get("192.0.2.7:1"))
				assert.Equal(t, want, reached, "%s: request %d of caller %d", desc, i, caller)
			}
		}
		assert.Equal(t, "one two", string(names[0])+" "+string(names[1]), "what it returns is not written to")
	}
	for _, key := range []throttle.KeyFunc{nobody, throttle.Joint(throttle.ByIP(nil), nobody)} {
		w, reached := serve(newLimiter(t, throttle.Config{Policies: []throttle.Policy{policy("first", throttle.ByIP(nil)), policy("second", key)}}), get("192.0.2.7:1"))
		assert.False(t, reached)
		assert.Equal(t, http.StatusForbidden, w.Code)
	}
}

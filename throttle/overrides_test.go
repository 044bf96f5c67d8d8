package throttle_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/throttle"
)

// lateFeed is a feed that can fail or be behind.
type lateFeed struct {
	rampart.Feed

	err  error
	age  time.Duration
	keep time.Duration // of the last change
}

func (f *lateFeed) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	if f.keep = keep; f.err != nil {
		return f.err
	}
	return f.Feed.Publish(ctx, topic, data, keep)
}

func (f *lateFeed) Age() time.Duration { return f.age }

func newFeed(t *testing.T, source feed.Source) *feed.Feed {
	t.Helper()
	f, err := feed.New(t.Context(), feed.Config{Source: source, Logger: quiet()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func newOverrides(t *testing.T, cfg throttle.OverridesConfig) *throttle.Overrides {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	o, err := throttle.NewOverrides(cfg)
	require.NoError(t, err)
	return o
}

// passing returns how many of 30 requests pass, and the policies that the first
// answer tells.
func passing(l *throttle.Limiter) (n int, policies string) {
	for i := range 30 {
		w, reached := serve(l, get("192.0.2.7:1"))
		if reached {
			n++
		}
		if i == 0 {
			policies = w.Header().Get("RateLimit-Policy")
		}
	}
	return n, policies
}

func TestATightenedRateHoldsUntilItsTimeOnEveryInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		instance := func() (*throttle.Overrides, *throttle.Limiter) {
			o := newOverrides(t, throttle.OverridesConfig{Feed: newFeed(t, source), Outage: rampart.FailOpen})
			return o, newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10))}, Overrides: o})
		}
		overrides, one := instance()
		_, two := instance()
		until := time.Now().Add(2 * time.Minute)
		require.NoError(t, overrides.Tighten(t.Context(), "anon", throttle.Rate{Count: 3, Period: time.Hour, Burst: 7}, until))
		n, policies := passing(one)
		assert.Equal(t, 3, n)
		assert.Equal(t, `"anon";q=3;w=3600`, policies)
		res, err := one.Peek(t.Context(), "anon", "192.0.2.7")
		require.NoError(t, err)
		assert.Equal(t, 3, res.Limit)
		_, err = one.Take(t.Context(), "anon", "192.0.2.7", 1)
		require.Error(t, err)
		time.Sleep(501 * time.Millisecond)
		n, _ = passing(two)
		assert.Equal(t, 3, n)
		_, restarted := instance()
		n, _ = passing(restarted)
		assert.Equal(t, 3, n, "a restart forgets nothing")
		rate, end, ok := overrides.Tightened("anon")
		assert.True(t, ok)
		assert.Equal(t, throttle.Rate{Count: 3, Period: time.Hour, Burst: 7}, rate)
		assert.Equal(t, until.UnixMicro(), end.UnixMicro())

		time.Sleep(time.Until(until))
		n, policies = passing(one)
		assert.Equal(t, 10, n)
		assert.Equal(t, `"anon";q=10;w=3600`, policies)
		_, _, ok = overrides.Tightened("anon")
		assert.False(t, ok)
	})
}

func TestAnOverrideThatWasReplacedDoesNotComeBackWithARestart(t *testing.T) {
	strict := throttle.Rate{Count: 3, Period: time.Hour}
	for name, replace := range map[string]func(context.Context, *throttle.Overrides) error{
		"a shorter one": func(ctx context.Context, o *throttle.Overrides) error {
			return o.Tighten(ctx, "anon", strict, time.Now().Add(time.Second))
		},
		"its end": func(ctx context.Context, o *throttle.Overrides) error { return o.Release(ctx, "anon") },
		"the end of a shorter one": func(ctx context.Context, o *throttle.Overrides) error {
			return errors.Join(o.Tighten(ctx, "anon", strict, time.Now().Add(time.Second)), o.Release(ctx, "anon"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := feed.Memory()
				one := newOverrides(t, throttle.OverridesConfig{Feed: newFeed(t, source), Outage: rampart.FailOpen})
				newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10))}, Overrides: one})
				require.NoError(t, one.Tighten(t.Context(), "anon", strict, time.Now().Add(5*time.Hour)))
				require.NoError(t, replace(t.Context(), one))
				for range 2 {
					time.Sleep(2 * time.Hour)
					restarted := newOverrides(t, throttle.OverridesConfig{Feed: newFeed(t, source), Outage: rampart.FailOpen})
					_, _, ok := restarted.Tightened("anon")
					assert.False(t, ok)
				}
			})
		})
	}
}

func TestAnOverrideNeverWidens(t *testing.T) {
	overrides := newOverrides(t, throttle.OverridesConfig{})
	planned := throttle.Policy{Name: "plan", Key: throttle.ByIP(nil), Algorithm: throttle.TokenBucket, RateFor: func(r *http.Request) throttle.Rate {
		n, _ := strconv.Atoi(r.Header.Get("Plan"))
		return perHour(n)
	}}
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{planned}, Overrides: overrides})
	require.NoError(t, overrides.Tighten(t.Context(), "plan", perHour(5), time.Now().Add(time.Hour)))
	for plan, want := range map[string]int{"2": 2, "20": 5} {
		n := 0
		for range 30 {
			r := get("192.0.2." + plan + ":1")
			r.Header.Set("Plan", plan)
			if _, reached := serve(l, r); reached {
				n++
			}
		}
		assert.Equal(t, want, n)
	}
	require.NoError(t, overrides.Release(t.Context(), "plan"))
	_, _, ok := overrides.Tightened("plan")
	assert.False(t, ok)
	require.NoError(t, overrides.Release(t.Context(), "plan"), "once more")
}

func TestAnOverrideIsKeptForNoLongerThanItMeansSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := &lateFeed{Feed: newFeed(t, feed.Memory())}
		o := newOverrides(t, throttle.OverridesConfig{Feed: late, Outage: rampart.FailOpen})
		newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10))}, Overrides: o})
		kept := func(want time.Duration, err error) {
			t.Helper()
			require.NoError(t, err)
			assert.Equal(t, want+time.Minute, late.keep)
		}
		kept(24*time.Hour, o.Tighten(t.Context(), "anon", perHour(2), time.Now().Add(24*time.Hour)))
		kept(24*time.Hour, o.Tighten(t.Context(), "anon", perHour(1), time.Now().Add(time.Hour)))
		kept(time.Hour, o.Release(t.Context(), "anon"))
		kept(0, o.Release(t.Context(), "anon"))
	})
}

func TestAnOverrideLetsNoMorePassAtOnceThanThePolicy(t *testing.T) {
	bucket := throttle.Policy{Name: "anon", Rate: throttle.Rate{Count: 10, Period: time.Hour, Burst: 5}, Algorithm: throttle.TokenBucket, Key: throttle.ByIP(nil)}
	for _, tt := range []struct {
		desc   string
		policy throttle.Policy
		rate   throttle.Rate
		want   int
	}{
		{"a higher count in a longer period", anon(perHour(10)), throttle.Rate{Count: 30, Period: 100 * time.Hour}, 10},
		{"a count that does not divide", anon(perHour(10)), throttle.Rate{Count: 35, Period: 7 * time.Hour}, 10},
		{"a lower count", anon(perHour(10)), throttle.Rate{Count: 3, Period: 100 * time.Hour}, 3},
		{"a bucket", bucket, throttle.Rate{Count: 30, Period: 100 * time.Hour}, 5},
		{"a bucket with a burst", bucket, throttle.Rate{Count: 2, Period: time.Hour, Burst: 20}, 5},
		{"a bucket with a smaller burst", bucket, throttle.Rate{Count: 2, Period: time.Hour, Burst: 4}, 4},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				overrides := newOverrides(t, throttle.OverridesConfig{})
				l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{tt.policy}, Overrides: overrides})
				require.NoError(t, overrides.Tighten(t.Context(), "anon", tt.rate, time.Now().Add(300*24*time.Hour)))
				n, _ := passing(l)
				assert.Equal(t, tt.want, n)
				total := n
				for range 1000 { // in the long run it is the rate
					time.Sleep(time.Hour)
					n, _ := passing(l)
					total += n
				}
				assert.InEpsilon(t, float64(tt.rate.Limit())*3600*1000, total, 0.1)
			})
		})
	}
}

func TestTheRatesOfAllPoliciesAreListed(t *testing.T) {
	overrides := newOverrides(t, throttle.OverridesConfig{})
	plans := throttle.Policy{Name: "plan", RateFor: func(*http.Request) throttle.Rate { return perHour(1) }, Key: throttle.ByIP(nil)}
	newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10)), plans}, Overrides: overrides})
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{{Name: "api", Rate: perHour(5), Key: throttle.ByIP(nil)}}, Overrides: overrides})
	until := time.Now().Add(time.Minute).Truncate(time.Microsecond)
	require.NoError(t, overrides.Tighten(t.Context(), "anon", perHour(2), until))
	require.NoError(t, overrides.Tighten(t.Context(), "plan", perHour(100), until), "whatever the callers' own rates are")
	require.NoError(t, l.Reconfigure(throttle.Config{Policies: []throttle.Policy{{Name: "api", Rate: perHour(7), Key: throttle.ByIP(nil)}}, Overrides: overrides}))
	rates := overrides.Rates()
	for i := range rates {
		assert.True(t, rates[i].Until.IsZero() || rates[i].Until.Equal(until))
		rates[i].Until = time.Time{}
	}
	assert.Equal(t, []throttle.PolicyRate{
		{Policy: "anon", Rate: perHour(2), Configured: perHour(10)},
		{Policy: "plan", Rate: perHour(100)},
		{Policy: "api", Rate: perHour(7), Configured: perHour(7)},
	}, rates)
}

func TestOverridesThatCannotBe(t *testing.T) {
	overrides := newOverrides(t, throttle.OverridesConfig{})
	login := throttle.Policy{Name: "login", Rate: perHour(10), Least: perHour(2), Key: throttle.ByIP(nil)}
	newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10)), login}, Overrides: overrides})
	soon := time.Now().Add(time.Minute)
	tests := []struct {
		desc, policy string
		rate         throttle.Rate
		until        time.Time
		err          error
		status       int
		code         string
	}{
		{"an unknown policy", "anno", perHour(1), soon, throttle.ErrUnknownPolicy, 404, "not_found"},
		{"no rate", "anon", perHour(0), soon, throttle.ErrInvalidOverride, 422, "invalid"},
		{"a time that is past", "anon", perHour(1), time.Now().Add(-1), throttle.ErrInvalidOverride, 422, "invalid"},
		{"a time in two years", "anon", perHour(1), time.Now().Add(367 * 24 * time.Hour), throttle.ErrInvalidOverride, 422, "invalid"},
		{"the configured rate", "anon", throttle.Rate{Count: 20, Period: 2 * time.Hour}, soon, throttle.ErrInvalidOverride, 422, "not_tighter"},
		{"a wider rate", "anon", perHour(11), soon, throttle.ErrInvalidOverride, 422, "not_tighter"},
		{"less than the least", "login", perHour(1), soon, throttle.ErrInvalidOverride, 422, "too_tight"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			err := overrides.Tighten(t.Context(), tt.policy, tt.rate, tt.until)
			require.ErrorIs(t, err, tt.err)
			p, ok := errors.AsType[*rampart.Problem](err)
			require.True(t, ok)
			code := p.Code
			if len(p.Errors) > 0 {
				code = p.Errors[0].Code
			}
			assert.Equal(t, tt.status, p.Status)
			assert.Equal(t, tt.code, code)
		})
	}
	require.ErrorIs(t, overrides.Release(t.Context(), "anno"), throttle.ErrUnknownPolicy)
	require.NoError(t, overrides.Tighten(t.Context(), "login", perHour(2), soon), "the least")

	var zero throttle.Overrides
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10))}, Overrides: &zero})
	require.ErrorIs(t, zero.Tighten(t.Context(), "anon", perHour(1), soon), throttle.ErrUnknownPolicy)
	n, _ := passing(l)
	assert.Equal(t, 10, n)

	assert.Empty(t, zero.Rates())

	_, err := throttle.NewOverrides(throttle.OverridesConfig{Feed: &lateFeed{}})
	require.ErrorContains(t, err, "Outage")
	_, err = throttle.NewOverrides(throttle.OverridesConfig{Outage: rampart.FallBack})
	require.ErrorContains(t, err, "Outage")
}

func TestTheOutagePolicyOfOverrides(t *testing.T) {
	for outage, want := range map[rampart.Outage]int{rampart.FailClosed: http.StatusServiceUnavailable, rampart.FailOpen: http.StatusOK} {
		late := &lateFeed{Feed: newFeed(t, feed.Memory()), age: time.Minute}
		overrides := newOverrides(t, throttle.OverridesConfig{Feed: late, Outage: outage})
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10))}, Overrides: overrides})
		w, _ := serve(l, get("192.0.2.7:1"))
		assert.Equal(t, want, w.Code)
		late.err = errors.New("down")
		require.ErrorIs(t, overrides.Tighten(t.Context(), "anon", perHour(1), time.Now().Add(time.Hour)), late.err)
	}
}

func TestAnOverrideThatIsNotUnderstoodIsReported(t *testing.T) {
	shared, log := newFeed(t, feed.Memory()), new(events)
	overrides := newOverrides(t, throttle.OverridesConfig{Feed: shared, Outage: rampart.FailOpen, Logger: log.logger()})
	end := strconv.FormatInt(time.Now().Add(time.Hour).UnixMicro(), 10)
	for _, change := range []string{"", "anon 1 2 3", "a b 1 2 3 4", "anon 0 3600000000000 0 " + end, "anon x 1 0 " + end, "an\non 1 3600000000000 0 " + end} {
		require.NoError(t, shared.Publish(t.Context(), "throttle.overrides", []byte(change), time.Hour))
	}
	assert.Len(t, log.named(t, rampart.SysBackendUnavailable), 1, "folded")
	_, _, ok := overrides.Tightened("anon")
	assert.False(t, ok)
	require.NoError(t, shared.Publish(t.Context(), "throttle.overrides", []byte("anon 1 3600000000000 0 "+end), time.Hour))
	_, _, ok = overrides.Tightened("anon")
	assert.True(t, ok)
}

func FuzzOverride(f *testing.F) {
	f.Add("anon 1 3600000000000 0 1900000000000000")
	f.Add("anon -1 -1 -1 -1")
	f.Add("anon 35 600000000000000 0 1900000000000020")
	f.Fuzz(func(t *testing.T, change string) {
		if len(change) > 1000 {
			return
		}
		source := feed.Memory()
		shared, err := feed.New(t.Context(), feed.Config{Source: source, Logger: quiet()})
		require.NoError(t, err)
		defer shared.Close()
		overrides := newOverrides(t, throttle.OverridesConfig{Feed: shared, Outage: rampart.FailOpen})
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10))}, Overrides: overrides})
		require.NoError(t, shared.Publish(t.Context(), "throttle.overrides", []byte(change), time.Hour))
		n, _ := passing(l)
		require.LessOrEqual(t, n, 10)
		require.Positive(t, n)
	})
}

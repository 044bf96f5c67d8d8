package throttle_test

import (
	"encoding/json"
	"flag"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/ecolaura/rampart/throttle"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]throttle.Rate{
		"100/hour":            {Count: 100, Period: time.Hour},
		"1000/hr":             {Count: 1000, Period: time.Hour},
		"5/m":                 {Count: 5, Period: time.Minute},
		"5/min":               {Count: 5, Period: time.Minute},
		"5/minutes":           {Count: 5, Period: time.Minute},
		"10/s":                {Count: 10, Period: time.Second},
		"10/sec":              {Count: 10, Period: time.Second},
		"3/day":               {Count: 3, Period: 24 * time.Hour},
		"10/s burst=20":       {Count: 10, Period: time.Second, Burst: 20},
		"5/30m":               {Count: 5, Period: 30 * time.Minute},
		"5/1h":                {Count: 5, Period: time.Hour},
		"7/366d":              {Count: 7, Period: 366 * 24 * time.Hour},
		"1/250ms":             {Count: 1, Period: 250 * time.Millisecond},
		"5/1500ns":            {Count: 5, Period: 1500},
		"2147483647/s":        {Count: 2147483647, Period: time.Second},
		"1/s burst=100000000": {Count: 1, Period: time.Second, Burst: 100_000_000},
	} {
		got, err := throttle.Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]throttle.RateReason{
		"":                        throttle.RateSyntax,
		"100":                     throttle.RateSyntax,
		"/h":                      throttle.RateSyntax,
		"100/":                    throttle.RateSyntax,
		"5/30":                    throttle.RateSyntax,
		"+5/h":                    throttle.RateSyntax,
		" 5/h":                    throttle.RateSyntax,
		"5 /h":                    throttle.RateSyntax,
		"05/h":                    throttle.RateSyntax,
		"1_0/h":                   throttle.RateSyntax,
		"1e3/h":                   throttle.RateSyntax,
		"1.5/h":                   throttle.RateSyntax,
		"٥/h":                     throttle.RateSyntax,
		"5/h burst=":              throttle.RateSyntax,
		"5/h burst=x":             throttle.RateSyntax,
		"5/3-0m":                  throttle.RateSyntax,
		"5/--m":                   throttle.RateSyntax,
		"5/moon":                  throttle.RateUnit,
		"5/H":                     throttle.RateUnit,
		"5/ h":                    throttle.RateUnit,
		"5/h ":                    throttle.RateUnit,
		"5/h/h":                   throttle.RateUnit,
		"5/1.5h":                  throttle.RateUnit,
		"5/week":                  throttle.RateUnit,
		"5/h  burst=3":            throttle.RateUnit,
		"0/h":                     throttle.RateZero,
		"00/h":                    throttle.RateZero,
		"-1/h":                    throttle.RateZero,
		"5/0m":                    throttle.RateZero,
		"5/-3m":                   throttle.RateZero,
		"5/h burst=0":             throttle.RateZero,
		"5/h burst=-1":            throttle.RateZero,
		"2147483648/h":            throttle.RateTooLarge,
		"99999999999999/h":        throttle.RateTooLarge,
		"5/367d":                  throttle.RateTooLarge,
		"5/9999999999d":           throttle.RateTooLarge,
		"5/31622400000000001ns":   throttle.RateTooLarge,
		"5/99999999999999999999d": throttle.RateTooLarge,
		"5/h burst=2147483648":    throttle.RateTooLarge,
		"1/366d burst=100":        throttle.RateTooLarge,
		"1/366d burst=999999999":  throttle.RateTooLarge,
	} {
		got, err := throttle.Parse(text)
		var re *throttle.RateError
		require.ErrorAs(t, err, &re, text)
		assert.Equal(t, want, re.Reason, text)
		assert.Equal(t, text, re.Text)
		assert.Zero(t, got, text)
	}
	_, err := throttle.Parse("5/mo\non")
	require.EqualError(t, err, `throttle: rate "5/mo\non": unknown unit of time: use ns, ms, s, m, h or d, or the whole word`)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"100/hour", "5/30m burst=7", "5/moon", "-1/h", "9999999999/9999999999d", "1/ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := throttle.Parse(s)
		if err != nil {
			assert.Zero(t, r)
			return
		}
		assert.Positive(t, r.Count)
		assert.Positive(t, r.Period)
		again, err := throttle.Parse(r.String())
		require.NoError(t, err, "%q is written as %q", s, r)
		assert.Equal(t, r, again)
		text, err := r.MarshalText()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalText(text))
		assert.Equal(t, r, again, "through %q", text)
		if _, err = throttle.New(throttle.Config{Policies: []throttle.Policy{{
			Name: "p", Rate: r, Algorithm: throttle.TokenBucket, Key: throttle.ByIP(nil),
		}}}); err != nil {
			t.Errorf("%q is parsed, but not accepted: %v", s, err)
		}
	})
}

func TestRatesAreWrittenShort(t *testing.T) {
	assert.Equal(t, "100/h", throttle.Rate{Count: 100, Period: time.Hour}.String())
	assert.Equal(t, "5/30m burst=9", throttle.Rate{Count: 5, Period: 30 * time.Minute, Burst: 9}.String())
	assert.Equal(t, "5/90s", throttle.Rate{Count: 5, Period: 90 * time.Second}.String())
	assert.Equal(t, "5/1500ns", throttle.Rate{Count: 5, Period: 1500}.String())
}

func TestRatesKeepTheirValueThroughText(t *testing.T) {
	type settings struct{ Rate throttle.Rate }
	for text, r := range map[string]throttle.Rate{
		"":                      {},
		"100/h":                 {Count: 100, Period: time.Hour},
		"10/s burst=20":         {Count: 10, Period: time.Second, Burst: 20},
		"2/ns":                  {Count: 2, Period: 1},
		"1/3600000000001ns":     {Count: 1, Period: time.Hour + 1},
		"7/31622399999999999ns": {Count: 7, Period: 366*24*time.Hour - 1},
	} {
		encoded, err := json.Marshal(settings{r})
		require.NoError(t, err)
		assert.JSONEq(t, `{"Rate":"`+text+`"}`, string(encoded))
		decoded := settings{throttle.Rate{Count: 3, Period: 3, Burst: 3}}
		require.NoError(t, json.Unmarshal(encoded, &decoded))
		assert.Equal(t, r, decoded.Rate, text)
	}
}

func TestRatesThatNoPolicyCanHaveHaveNoText(t *testing.T) {
	for want, rates := range map[throttle.RateReason][]throttle.Rate{
		throttle.RateZero: {
			{Count: 5}, {Period: time.Hour}, {Burst: 1}, {Count: -1, Period: time.Hour}, {Count: 5, Period: -1}, {Count: 5, Period: time.Hour, Burst: -1},
		},
		throttle.RateTooLarge: {{Count: 1, Period: 366*24*time.Hour + 1}, {Count: 1, Period: 366 * 24 * time.Hour, Burst: 100}},
	} {
		for _, r := range rates {
			text, err := r.MarshalText()
			var re *throttle.RateError
			require.ErrorAs(t, err, &re, "%v", r)
			assert.Equal(t, want, re.Reason, "%v", r)
			assert.Empty(t, text)
		}
	}
}

func TestATextThatIsNoRateLeavesARateAsItWas(t *testing.T) {
	r := throttle.Rate{Count: 3, Period: time.Hour}
	for _, text := range []string{"5/moon", "5", " ", "0/h"} {
		var re *throttle.RateError
		require.ErrorAs(t, r.UnmarshalText([]byte(text)), &re)
		assert.Equal(t, text, re.Text)
		assert.Equal(t, throttle.Rate{Count: 3, Period: time.Hour}, r)
	}
}

func TestARateStandsInFlags(t *testing.T) {
	var r throttle.Rate
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.TextVar(&r, "rate", throttle.Rate{Count: 100, Period: time.Hour}, "")
	assert.Equal(t, "100/h", flags.Lookup("rate").DefValue)
	require.NoError(t, flags.Parse([]string{"-rate", "5/30m burst=9"}))
	assert.Equal(t, throttle.Rate{Count: 5, Period: 30 * time.Minute, Burst: 9}, r)
	require.ErrorContains(t, flags.Parse([]string{"-rate", "5/moon"}), "unknown unit of time")
}

func TestConversionsToAndFromXTimeRate(t *testing.T) {
	assert.InDelta(t, 100.0/3600, float64(throttle.Rate{Count: 100, Period: time.Hour}.Limit()), 1e-15)
	assert.Zero(t, throttle.Rate{}.Limit())
	assert.Equal(t, throttle.Rate{Count: 1, Period: 36 * time.Second, Burst: 100}, throttle.FromLimit(rate.Every(36*time.Second), 100))
	assert.Equal(t, throttle.Rate{Count: 1, Period: 400 * time.Millisecond, Burst: 3}, throttle.FromLimit(2.5, 3))
	assert.Equal(t, throttle.Rate{Count: 2, Period: time.Nanosecond, Burst: 3}, throttle.FromLimit(2e9, 3))

	for _, text := range []string{"1/s", "7/s", "3/m", "100/h", "1000/h", "999/d", "17/13s", "1/366d burst=1", "2147483647/d", "1/ms", "12345/67ms"} {
		r, err := throttle.Parse(text)
		require.NoError(t, err)
		back := throttle.FromLimit(r.Limit(), 5)
		assert.Equal(t, 5, back.Burst)
		assert.InEpsilon(t, float64(r.Limit()), float64(back.Limit()), 2e-15, text)
	}
	for _, l := range []float64{0, -1, math.Inf(1), math.Inf(-1), math.NaN(), 1e-9, 1e30, 5e-324} {
		assert.Zero(t, throttle.FromLimit(rate.Limit(l), 1), "%v", l)
	}
	assert.Zero(t, throttle.FromLimit(1, 0))
	assert.Zero(t, throttle.FromLimit(1, -1))
	assert.Zero(t, throttle.FromLimit(1e-6, 1<<31-1), "takes too long to refill")
}

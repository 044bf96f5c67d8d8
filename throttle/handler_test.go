package throttle_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

func TestTheHandlerAnswersWithLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := anon(throttle.Rate{Count: 10, Period: time.Second, Burst: 25})
		bucket.Name, bucket.Algorithm = "burst", throttle.TokenBucket
		for _, tt := range []struct {
			style throttle.Headers
			want  http.Header
		}{
			{throttle.Draft, http.Header{
				"Ratelimit":        {`"anon";r=1;t=3600, "burst";r=24;t=1`},
				"Ratelimit-Policy": {`"anon";q=2;w=3600, "burst";q=25;w=3`},
			}},
			{throttle.Legacy, http.Header{"X-Ratelimit-Limit": {"2"}, "X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset": {"3600"}}},
			{throttle.Both, http.Header{
				"Ratelimit":         {`"anon";r=1;t=3600, "burst";r=24;t=1`},
				"Ratelimit-Policy":  {`"anon";q=2;w=3600, "burst";q=25;w=3`},
				"X-Ratelimit-Limit": {"2"}, "X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset": {"3600"},
			}},
			{throttle.None, http.Header{}},
		} {
			l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(2)), bucket}, Headers: tt.style})
			w, reached := serve(l, get("192.0.2.7:1"))
			assert.True(t, reached)
			assert.Equal(t, tt.want, w.Header())
		}
	})
}

func TestARefusalIsAProblemWithATrueRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log events
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(throttle.Rate{Count: 1, Period: 90500 * time.Millisecond})}, Logger: log.logger()})
		serve(l, get("192.0.2.7:1"))
		w, reached := serve(l, get("192.0.2.7:1"))
		assert.False(t, reached)
		assert.Equal(t, http.StatusTooManyRequests, w.Code)
		assert.Equal(t, "91", w.Header().Get("Retry-After"))
		assert.Equal(t, `"anon";r=0;t=91`, w.Header().Get("RateLimit"))
		assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		assert.JSONEq(t, `{
			"type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
			"title": "Request cannot be satisfied as assigned quota has been exceeded",
			"status": 429,
			"detail": "Request was throttled. Expected available in 91 seconds.",
			"code": "throttled",
			"violated-policies": ["anon"]
		}`, w.Body.String())
		time.Sleep(90 * time.Second)
		w, _ = serve(l, get("192.0.2.7:1"))
		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		assert.Contains(t, w.Body.String(), "Expected available in 1 second.")
		time.Sleep(time.Second)
		_, reached = serve(l, get("192.0.2.7:1"))
		assert.True(t, reached, "who waits exactly as long as told may go")

		for range 5 {
			serve(l, get("192.0.2.7:1"))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		total := 0
		for _, record := range log.named(t, rampart.ExcessRateLimit) {
			assert.Equal(t, "WARN", record["level"])
			assert.Equal(t, "quota_exceeded", record["reason"])
			assert.Equal(t, "anon", record["policy"])
			if n, ok := record["count"].(float64); ok {
				total += int(n)
			} else {
				total++
			}
		}
		assert.Equal(t, 7, total, "every refusal is counted")
	})
}

func TestARefusalNamesEveryViolatedPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := anon(throttle.Rate{Count: 1, Period: 24 * time.Hour})
		day.Name = "day"
		dear := anon(perHour(1))
		dear.Name, dear.Cost = "dear", func(*http.Request) int { return 2 }
		dear.Match = func(r *http.Request) bool { return r.Method == http.MethodPost }
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(1)), day, dear}})
		serve(l, get("192.0.2.7:1"))
		w, _ := serve(l, get("192.0.2.7:1"))
		var problem map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
		assert.Equal(t, []any{"anon", "day"}, problem["violated-policies"])
		assert.Equal(t, "86400", w.Header().Get("Retry-After"), "the longest wait")

		r := get("192.0.2.8:1")
		r.Method = http.MethodPost
		w, reached := serve(l, r)
		assert.False(t, reached)
		assert.Equal(t, http.StatusTooManyRequests, w.Code)
		assert.Empty(t, w.Header().Get("Retry-After"), "no waiting helps")
		assert.Contains(t, w.Body.String(), `"detail":"Request was throttled."`)
	})
}

// TestDjangosTexts compares with what Django REST framework answered: cases
// D03, D10 of the recorded black-box run (Django 3.2.25, DRF 3.14.0).
func TestDjangosTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(100))}})
		for range 100 {
			_, reached := serve(l, get("192.0.2.7:1"))
			require.True(t, reached)
		}
		w, _ := serve(l, get("192.0.2.7:1"))
		assert.Equal(t, 429, w.Code)
		assert.Equal(t, "3600", w.Header().Get("Retry-After"))
		assert.Contains(t, w.Body.String(), `"detail":"Request was throttled. Expected available in 3600 seconds."`)
		time.Sleep(500 * time.Millisecond)
		w, _ = serve(l, get("192.0.2.7:1"))
		seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
		require.NoError(t, err)
		assert.Equal(t, 3600, seconds, "rounded up")
	})
}

func TestLimitersInARowShareTheFields(t *testing.T) {
	edge := anon(perHour(1000))
	edge.Name = "edge"
	outer := newLimiter(t, throttle.Config{Policies: []throttle.Policy{edge}})
	inner := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(10))}})
	w := httptest.NewRecorder()
	outer.Handler(inner.Handler(http.NotFoundHandler())).ServeHTTP(w, get("192.0.2.7:1"))
	assert.Equal(t, []string{`"edge";r=999;t=3600`, `"anon";r=9;t=3600`}, w.Header()["Ratelimit"])
	assert.Equal(t, []string{`"edge";q=1000;w=3600`, `"anon";q=10;w=3600`}, w.Header()["Ratelimit-Policy"])
}

func TestAnswersNeverShareTheirFields(t *testing.T) {
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(100))}})
	first, _ := serve(l, get("192.0.2.7:1"))
	first.Header()["Ratelimit-Policy"][0] = "edited"
	_ = append(first.Header()["Ratelimit"], "grown")
	second, _ := serve(l, get("192.0.2.7:1"))
	assert.Equal(t, []string{`"anon";q=100;w=3600`}, second.Header()["Ratelimit-Policy"])
	assert.Equal(t, []string{`"anon";r=98;t=3600`}, second.Header()["Ratelimit"])
}

func TestFieldsFollowTheRateOfTheRequest(t *testing.T) {
	plan := throttle.Policy{Name: "plan", Key: throttle.ByIP(nil), RateFor: func(r *http.Request) throttle.Rate { return perHour(len(r.Header["X-Gold"]) + 1) }}
	writes := anon(perHour(7))
	writes.Match = func(r *http.Request) bool { return r.Method == http.MethodPost }
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{writes, plan}})
	r := get("192.0.2.7:1")
	r.Header["X-Gold"] = []string{"", ""}
	w, _ := serve(l, r)
	assert.Equal(t, `"plan";q=3;w=3600`, w.Header().Get("RateLimit-Policy"))
	r.Method = http.MethodPost
	w, _ = serve(l, r)
	assert.Equal(t, `"anon";q=7;w=3600, "plan";q=3;w=3600`, w.Header().Get("RateLimit-Policy"))
}

func TestTheErrorHandlerGetsTheDecision(t *testing.T) {
	var got error
	l := newLimiter(t, throttle.Config{
		Policies: []throttle.Policy{anon(perHour(1))},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		},
	})
	serve(l, get("192.0.2.7:1"))
	w, reached := serve(l, get("192.0.2.7:1"))
	assert.False(t, reached)
	assert.Equal(t, http.StatusTeapot, w.Code)
	assert.Equal(t, "3600", w.Header().Get("Retry-After"))
	var denied *throttle.DeniedError
	require.ErrorAs(t, got, &denied)
	assert.Equal(t, "anon", denied.Decision.Policy)
}

func TestRefundsCountOnlyWhatFailed(t *testing.T) {
	var log events
	failures := anon(perHour(3))
	failures.Refund = func(status int) bool { return status != http.StatusUnauthorized }
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{failures}, Logger: log.logger()})
	var answer func(w http.ResponseWriter)
	h := server.Recover(quiet())(l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) })))
	request := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, get("192.0.2.7:1"))
		return w.Code
	}
	left := func() int {
		res, err := l.Peek(t.Context(), "anon", "192.0.2.7")
		require.NoError(t, err)
		return res.Remaining
	}

	answer = func(w http.ResponseWriter) {}
	for range 10 {
		assert.Equal(t, http.StatusOK, request())
	}
	assert.Equal(t, 3, left(), "successes cost nothing, written or not")
	answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
	request()
	assert.Equal(t, 3, left())
	answer = func(http.ResponseWriter) { panic("broken") }
	assert.Equal(t, http.StatusInternalServerError, request())
	assert.Equal(t, 3, left(), "a panic is no failed log-in")
	answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }
	for range 3 {
		assert.Equal(t, http.StatusUnauthorized, request())
	}
	assert.Equal(t, 0, left())
	assert.Equal(t, http.StatusTooManyRequests, request())
	assert.Len(t, log.named(t, rampart.ExcessRateLimit), 1)
}

func TestAFullTableIsReported(t *testing.T) {
	var log events
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(1))}, Store: throttle.NewMemory(1), Logger: log.logger()})
	var overflow *throttle.Decision
	for i := range 100 {
		if d, _ := l.Check(get("192.0.2." + strconv.Itoa(i) + ":1")); d.Overflow {
			overflow = &d
			break
		}
	}
	require.NotNil(t, overflow)
	got := log.named(t, rampart.ExcessRateLimit)
	require.Len(t, got, 1)
	assert.Equal(t, true, got[0]["table_full"])
}

func TestNoKeyReachesTheLog(t *testing.T) {
	var log events
	p := anon(perHour(1))
	p.Key = throttle.ByHeader("X-Api-Key")
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{p}, Logger: log.logger()})
	r := get("192.0.2.7:1")
	r.Header.Set("X-Api-Key", "s3cret")
	ips, err := server.NewClientIP(rampart.Proxies{})
	require.NoError(t, err)
	h := ips.Handler(l.Handler(http.NotFoundHandler()))
	h.ServeHTTP(httptest.NewRecorder(), r)
	h.ServeHTTP(httptest.NewRecorder(), r)
	got := log.named(t, rampart.ExcessRateLimit)
	require.Len(t, got, 1)
	assert.Equal(t, "192.0.2.7", got[0]["client_ip"])
	assert.NotContains(t, log.buf.String(), "s3cret")
}

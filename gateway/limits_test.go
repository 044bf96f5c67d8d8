package gateway_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheThreeCallsOfTheDocument(t *testing.T) {
	t.Parallel() // most of it is waiting
	upstream := echo(t).Listener.Addr().String()
	e := start(t, "_format_version: \"3.0\"\n", func(c *gateway.Config) { c.Resolve["your-django-app"] = upstream })

	r := e.form("POST", "/services/", "name", "my-django-service", "url", "http://your-django-app:8000")
	require.Equal(t, 201, r.status, r.body)
	r = e.form("POST", "/services/my-django-service/routes", "paths", "/api/")
	require.Equal(t, 201, r.status, r.body)
	assert.Contains(t, r.json(t)["warnings"].([]any)[0], "strip_path", "Kong's default surprises") //nolint:forcetypeassert // of a test
	r = e.form("POST", "/services/my-django-service/plugins", "name", "rate-limiting", "config.second", "5")
	require.Equal(t, 201, r.status, r.body)

	var passed atomic.Int32
	var took time.Duration
	for range 20 { // until six come within a second, else the test says nothing
		time.Sleep(1100 * time.Millisecond) // what came before is forgotten
		passed.Store(0)
		var wg sync.WaitGroup
		begin := time.Now()
		for range 6 {
			wg.Go(func() {
				r := e.get("/api/users/")
				switch r.status {
				case 200:
					passed.Add(1)
					assert.Equal(t, "/users/", r.json(t)["path"])
					assert.Equal(t, "your-django-app:8000", r.json(t)["host"])
				default:
					assert.Equal(t, 429, r.status)
					assert.NotEmpty(t, r.header.Get("Retry-After"))
				}
			})
		}
		wg.Wait()
		if took = time.Since(begin); took < time.Second {
			break
		}
	}
	require.Less(t, took, time.Second)
	assert.EqualValues(t, 5, passed.Load())
	t.Logf("5 of 6 passed within %v", took)
}

func TestLimitsAreForWhomTheySay(t *testing.T) {
	for by, c := range map[string]struct {
		config string
		first  []string
		second []string // another payer
	}{
		"consumer":   {"limit_by: consumer", []string{"apikey: alice-key-0123456789"}, []string{"apikey: bob-key-0123456789abc"}},
		"credential": {"limit_by: credential", []string{"apikey: alice-key-0123456789"}, []string{"apikey: bob-key-0123456789abc"}},
		"header":     {"limit_by: header, header_name: X-Tenant", []string{"X-Tenant: a", "apikey: alice-key-0123456789"}, []string{"X-Tenant: b", "apikey: alice-key-0123456789"}},
	} {
		e := start(t, one("  - {name: key-auth}\n  - {name: rate-limiting, config: {hour: 2, "+c.config+"}}")+people)
		assert.Equal(t, 200, e.get("/api", c.first...).status, by)
		assert.Equal(t, 200, e.get("/api", c.first...).status, by)
		assert.Equal(t, 429, e.get("/api", c.first...).status, by)
		assert.Equal(t, 200, e.get("/api", c.second...).status, by)
	}
	for _, by := range []string{"ip", "service", "path, path: /api"} {
		e := start(t, one("  - {name: rate-limiting, config: {hour: 1, limit_by: "+by+"}}"))
		assert.Equal(t, 200, e.get("/api").status, by)
		assert.Equal(t, 429, e.get("/api").status, by)
	}
}

func TestAConsumersOwnLimitTakesThePlaceOfTheOthers(t *testing.T) {
	e := start(t, one("  - {name: key-auth}\n  - {name: rate-limiting, config: {hour: 1}}\n  - {name: rate-limiting, consumer: alice, config: {hour: 3}}")+people)
	for range 3 {
		assert.Equal(t, 200, e.get("/api", "apikey: alice-key-0123456789").status)
	}
	assert.Equal(t, 429, e.get("/api", "apikey: alice-key-0123456789").status)
	assert.Equal(t, 200, e.get("/api", "apikey: bob-key-0123456789abc").status)
	assert.Equal(t, 429, e.get("/api", "apikey: bob-key-0123456789abc").status)
}

func TestARateLimitAnswersAsConfigured(t *testing.T) {
	e := start(t, one("  - {name: rate-limiting, config: {minute: 1, hour: 10, error_code: 503, error_message: Later., hide_client_headers: true}}"))
	r := e.get("/api")
	assert.Empty(t, r.header.Get("X-RateLimit-Limit"))
	r = e.get("/api")
	assert.Equal(t, 503, r.status)
	assert.Contains(t, r.body, "Later.")
	e = start(t, one("  - {name: rate-limiting, config: {minute: 1}}"))
	assert.Equal(t, "1", e.get("/api").header.Get("X-RateLimit-Limit"))
}

func TestAUsagePlanHasARateABurstAndQuotas(t *testing.T) {
	e := start(t, one("  - {name: key-auth}\n  - {name: usage-plan, config: {rate: 1, burst: 3, quota_day: 500}}")+people)
	alice := "apikey: alice-key-0123456789"
	for range 3 {
		assert.Equal(t, 200, e.get("/api", alice).status)
	}
	r := e.get("/api", alice)
	for range 50 { // a second later one more passes
		if r.status == 429 {
			break
		}
		r = e.get("/api", alice)
	}
	assert.Equal(t, 429, r.status)
	assert.Contains(t, r.body, "rate")
	assert.Equal(t, 200, e.get("/api", "apikey: bob-key-0123456789abc").status, "another key, another plan")
	e = start(t, one("  - {name: key-auth}\n  - {name: usage-plan, config: {quota_month: 2}}")+people)
	e.get("/api", alice)
	e.get("/api", alice)
	assert.Contains(t, e.get("/api", alice).body, "quota-month")
}

func TestALimitOutlivesAChangeOfSomethingElse(t *testing.T) {
	e := start(t, one("  - {name: rate-limiting, config: {hour: 2}}"))
	e.get("/api")
	e.get("/api")
	require.Equal(t, 201, e.form("POST", "/services", "name", "other", "host", "other.internal").status)
	require.Equal(t, 200, e.form("PATCH", "/routes/r", "preserve_host", "true").status)
	assert.Equal(t, 429, e.get("/api").status)
}

package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestACorrelationIDIsKeptFromWhomItIsBelieved(t *testing.T) {
	trusted := func(c *gateway.Config) { c.Proxies.Prefixes = append(c.Proxies.Prefixes, mustPrefix("127.0.0.0/8")) }
	hops := func(c *gateway.Config) { c.Proxies.Hops = 1 }
	for name, c := range map[string]struct {
		option string
		change func(*gateway.Config)
		sent   []string
		kept   bool
	}{
		"a stranger's":                     {"", func(*gateway.Config) {}, []string{"X-Id: chosen"}, false},
		"a trusted peer's":                 {"", trusted, []string{"X-Id: chosen"}, true},
		"behind proxies that are counted":  {"", hops, []string{"X-Id: chosen", "X-Forwarded-For: 203.0.113.9"}, false},
		"a stranger's, by the option":      {", trust_clients: true", func(*gateway.Config) {}, []string{"X-Id: chosen"}, true},
		"two of them":                      {", trust_clients: true", func(*gateway.Config) {}, []string{"X-Id: chosen", "X-Id: other"}, false},
		"an empty one":                     {", trust_clients: true", func(*gateway.Config) {}, []string{"X-Id: "}, false},
		"one with spaces":                  {", trust_clients: true", func(*gateway.Config) {}, []string{"X-Id: cho sen"}, false},
		"one with quotes":                  {", trust_clients: true", func(*gateway.Config) {}, []string{`X-Id: chosen"`}, false},
		"one that is too long":             {", trust_clients: true", func(*gateway.Config) {}, []string{"X-Id: " + strings.Repeat("x", 129)}, false},
		"one that is as long as it can be": {", trust_clients: true", func(*gateway.Config) {}, []string{"X-Id: " + strings.Repeat("x", 128)}, true},
	} {
		e := start(t, one("  - {name: correlation-id, config: {header_name: X-ID, echo_downstream: true"+c.option+"}}"), c.change)
		r := e.get("/api?set-X-Id=the-upstream's", c.sent...)
		require.Equal(t, 200, r.status, name)
		_, value, _ := strings.Cut(c.sent[0], ": ")
		assert.Equal(t, c.kept, r.sent(t, "X-Id") == value, name)
		assert.Equal(t, []string{r.sent(t, "X-Id")}, r.header["X-Id"], "%s: the client learns the same, once", name)
		assert.NotEmpty(t, r.sent(t, "X-Id"))
		assert.NotContains(t, r.sent(t, "X-Id"), "|", name)
	}
}

func TestACorrelationIDHasItsGeneratorsForm(t *testing.T) {
	const uuid = `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`
	for generator, form := range map[string]string{
		"uuid": "^" + uuid + "$", `"uuid#counter"`: "^" + uuid + "#[12]$", "tracker": `^127\.0\.0\.1-\d+-\d+-\d+-[12]-\d+\.\d{3}$`,
	} {
		e := start(t, one("  - {name: correlation-id, config: {generator: "+generator+"}}"))
		first, second := e.get("/api"), e.get("/api")
		for _, r := range []reply{first, second} {
			assert.Regexp(t, form, r.sent(t, "Kong-Request-Id"))
			assert.Empty(t, r.header["Kong-Request-Id"], "nothing is echoed unless asked for")
		}
		assert.NotEqual(t, first.sent(t, "Kong-Request-Id"), second.sent(t, "Kong-Request-Id"))
	}
	e := start(t, one("  - {name: correlation-id, config: {header_name: X-Request-ID, echo_downstream: true}}"))
	r := e.get("/api")
	assert.Equal(t, []string{r.sent(t, "X-Request-Id")}, r.header["X-Request-Id"], "that of the gateway itself")
	err := e.g.Use(t.Context(), []byte("_format_version: '3.0'\nplugins: [{name: correlation-id, config: {header_name: X-Request-ID, trust_clients: true}}]"))
	assert.ErrorContains(t, err, "config.trust_clients: the id in X-Request-ID is the gateway's")
}

func TestARateLimitHasKongsHeadersByOption(t *testing.T) {
	limit := func(more string) *edge {
		return start(t, one("  - {name: rate-limiting, config: {second: 2, minute: 2, hour: 2, header_style: kong"+more+"}}"))
	}
	e := limit("")
	r := e.get("/api?set-X-RateLimit-Limit-Minute=7")
	require.Equal(t, 200, r.status)
	for name, want := range map[string]string{
		"X-RateLimit-Limit-Second": "2", "X-RateLimit-Remaining-Second": "1",
		"X-RateLimit-Limit-Minute": "2", "X-RateLimit-Remaining-Minute": "1",
		"X-RateLimit-Limit-Hour": "2", "X-RateLimit-Remaining-Hour": "1",
		"RateLimit-Limit": "2", "RateLimit-Remaining": "1", "RateLimit-Reset": "3600",
	} {
		assert.Equal(t, []string{want}, r.header.Values(name), name)
	}
	assert.Empty(t, r.header.Values("RateLimit"))
	e.get("/api")
	r = e.get("/api")
	assert.Equal(t, 429, r.status)
	assert.Equal(t, "throttled", r.json(t)["code"])
	assert.Regexp(t, "^3[56]..$", r.header.Get("Retry-After"), "the longest wait")
	assert.Equal(t, "0", r.header.Get("RateLimit-Remaining"))
	assert.Contains(t, e.log.String(), `"event":"excess_rate_limit_exceeded"`)

	e = limit(", hide_client_headers: true, error_code: 420, error_message: Calm.")
	e.get("/api")
	e.get("/api")
	r = e.get("/api")
	assert.Equal(t, 420, r.status)
	assert.Contains(t, r.body, "Calm.")
	for name := range r.header {
		assert.NotContains(t, strings.ToLower(name), "ratelimit")
	}
	e = start(t, one("  - {name: rate-limiting, config: {hour: 1, policy: redis, fault_tolerant: false, header_style: kong}}"), func(c *gateway.Config) { c.Redis = dial(t, refusing) })
	r = e.get("/api")
	assert.Equal(t, http.StatusServiceUnavailable, r.status)
	assert.Equal(t, "limits_unavailable", r.json(t)["code"])
	assert.Equal(t, "1", r.header.Get("Retry-After"))
}

func TestPrometheusTellsWhatItIsAskedFor(t *testing.T) {
	const upstreams = `
upstreams:
  - {name: checked.internal, targets: [{target: "a.internal:1"}, {target: "b.internal:2"}], healthchecks: {passive: {unhealthy: {tcp_failures: 1}}}}
  - {name: unchecked.internal, targets: [{target: "c.internal:3"}]}
`
	metrics := map[string]string{
		"status_code_metrics": "kong_http_requests_total{", "latency_metrics": "kong_request_latency_ms_count{",
		"bandwidth_metrics": "kong_bandwidth_bytes{", "upstream_health_metrics": "kong_upstream_target_health{",
	}
	e := start(t, one("  - {name: prometheus}")+upstreams)
	require.Equal(t, 204, do(t, "PUT", e.admin+"/upstreams/checked.internal/targets/b.internal:2/unhealthy", "").status)
	e.get("/api")
	text := do(t, "GET", e.admin+"/metrics", "").body
	for _, line := range metrics {
		assert.Contains(t, text, line, "all, unless it is told otherwise")
	}
	for _, line := range []string{
		`{address="a.internal:1",state="healthy",subsystem="http",target="a.internal:1",upstream="checked.internal"} 1`,
		`{address="a.internal:1",state="unhealthy",subsystem="http",target="a.internal:1",upstream="checked.internal"} 0`,
		`{address="b.internal:2",state="unhealthy",subsystem="http",target="b.internal:2",upstream="checked.internal"} 1`,
		`{address="c.internal:3",state="healthchecks_off",subsystem="http",target="c.internal:3",upstream="unchecked.internal"} 1`,
	} {
		assert.Contains(t, text, "kong_upstream_target_health"+line)
	}
	for off, gone := range metrics {
		e := start(t, one("  - {name: prometheus, config: {"+off+": false}}")+upstreams)
		e.get("/api")
		text := do(t, "GET", e.admin+"/metrics", "").body
		for _, line := range metrics {
			assert.Equal(t, line != gone, strings.Contains(text, line), "%s: %s", off, line)
		}
	}
	e = start(t, one("  - {name: prometheus, enabled: false}")+upstreams)
	assert.NotContains(t, do(t, "GET", e.admin+"/metrics", "").body, "kong_upstream_target_health")
}

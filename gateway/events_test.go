package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const eventful = `_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM
    routes:
      - {name: cors, paths: [/cors], plugins: [{name: cors, config: {origins: ["https://shop.example"], methods: [GET]}}]}
      - {name: key, paths: [/key], plugins: [{name: key-auth}, {name: acl, config: {allow: [staff]}}]}
      - {name: token, paths: [/token], plugins: [{name: jwt}]}
      - {name: limited, paths: [/limited], plugins: [{name: rate-limiting, config: {hour: 1, limit_by: ip}}]}
      - {name: planned, paths: [/planned], plugins: [{name: usage-plan, config: {quota_day: 1}}]}
      - {name: denied, paths: [/denied], plugins: [{name: ip-restriction, config: {deny: [203.0.113.0/24]}}]}
      - {name: small, paths: [/small], plugins: [{name: request-size-limiting, config: {allowed_payload_size: 1, size_unit: bytes}}]}
      - {name: grouped, paths: [/grouped], plugins: [{name: acl, config: {allow: [staff]}}]}
      - name: cookies
        paths: [/cookies]
        plugins: [{name: security-headers, config: {harden_cookies: true}}]
`

// eventOf returns the record of the event in the log, which is JSON lines.
func eventOf(t *testing.T, log, event string) map[string]any {
	t.Helper()
	for line := range strings.Lines(log) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
		if record["event"] == event {
			return record
		}
	}
	t.Fatalf("no %s in %s", event, log)
	return nil
}

func TestEveryEventHasTheClientBehindTheTrustedProxy(t *testing.T) {
	long := fmt.Sprintf(`{"iss":"nobody","exp":%d}`, time.Now().Add(time.Hour).Unix())
	for name, c := range map[string]struct {
		event, method, path, body string
		headers                   []string
		first                     bool // the request passes once before it is refused
	}{
		"a page of another origin":   {event: "malicious_cors", path: "/cors", headers: []string{"Origin: https://evil.example"}},
		"a preflight for too much":   {event: "cors_preflight_refused", method: "OPTIONS", path: "/cors", headers: []string{"Origin: https://shop.example", "Access-Control-Request-Method: DELETE"}},
		"no key":                     {event: "authn_login_fail", path: "/key"},
		"a wrong key":                {event: "authn_login_fail", path: "/key", headers: []string{"apikey: wrong-key-0123456789"}},
		"a consumer of no group":     {event: "authz_fail", path: "/key", headers: []string{"apikey: bob-key-0123456789abc"}},
		"no token":                   {event: "authn_login_fail", path: "/token"},
		"a token of nobody":          {event: "authn_login_fail", path: "/token", headers: []string{"Authorization: Bearer " + token("x", long)}},
		"one too many":               {event: "excess_rate_limit_exceeded", path: "/limited", first: true},
		"one too many for the plan":  {event: "excess_rate_limit_exceeded", path: "/planned", first: true},
		"an address that is blocked": {event: "authz_fail", path: "/denied"},
		"a body that is too long":    {event: "input_validation_fail", method: "POST", path: "/small", body: "ab"},
		"nobody, of no group":        {event: "authz_fail", path: "/grouped"},
		"a path of two meanings":     {event: "input_validation_fail", path: "/cors/..;/key"},
		"a cookie that is dropped":   {event: "sys_cookie_dropped", path: "/cookies?set-Set-Cookie=__Host-a%3Db%3B+Domain%3Dx.example"},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, eventful+people, func(c *gateway.Config) { c.Proxies.Prefixes = append(c.Proxies.Prefixes, mustPrefix("127.0.0.0/8")) })
			method := c.method
			if method == "" {
				method = http.MethodGet
			}
			ask := func() { do(t, method, e.url+c.path, c.body, append(c.headers, "X-Forwarded-For: 203.0.113.9")...) }
			if c.first {
				ask()
			}
			ask()
			record := eventOf(t, e.log.String(), c.event)
			assert.Equal(t, "203.0.113.9", record["client_ip"])
			assert.NotEmpty(t, record["request_id"])
		})
	}
}

func TestABodyThatTurnsOutTooLongIsAnEvent(t *testing.T) {
	e := start(t, eventful)
	r, err := http.NewRequest(http.MethodPost, e.url+"/small", chunks("ab"))
	require.NoError(t, err)
	resp, err := direct.RoundTrip(r)
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, 413, resp.StatusCode)
	assert.Equal(t, "too_large", eventOf(t, e.log.String(), "input_validation_fail")["reason"])
}

func TestEventsOfTheAdminAPIAreToldFromOthers(t *testing.T) {
	e := start(t, eventful, func(c *gateway.Config) { c.AdminToken = "a-long-admin-token" })
	do(t, "GET", e.admin+"/", "")
	do(t, "GET", e.admin+"/", "", "Origin: https://evil.example")
	for _, event := range []string{"authn_login_fail", "malicious_csrf"} {
		record := eventOf(t, e.log.String(), event)
		assert.Equal(t, "admin", record["listener"])
		assert.Equal(t, "127.0.0.1", record["client_ip"])
	}
}

// bomb is an answer that panics when it is begun.
type bomb struct{ http.ResponseWriter }

func (bomb) WriteHeader(int) { panic("of the test") }

func TestAPanicsEventHasTheClientBehindTheTrustedProxy(t *testing.T) {
	e := start(t, eventful, func(c *gateway.Config) { c.Proxies.Prefixes = append(c.Proxies.Prefixes, mustPrefix("127.0.0.0/8")) })
	r := httptest.NewRequest(http.MethodGet, "/none", nil)
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	assert.Panics(t, func() { e.g.ServeHTTP(bomb{httptest.NewRecorder()}, r) }, "its answer panics too")
	assert.Equal(t, "203.0.113.9", eventOf(t, e.log.String(), "sys_crash")["client_ip"])
}

package gateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// one is a configuration with one service and one route, and plugins.
func one(plugins string) string {
	return `_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM
    routes:
      - {name: r, paths: [/api], strip_path: false}
plugins:
` + plugins
}

const people = `
consumers:
  - username: alice
    custom_id: "7"
    keyauth_credentials: [{key: alice-key-0123456789}]
    jwt_secrets: [{key: alice-issuer, secret: 0123456789abcdef0123456789abcdef}]
    acls: [{group: staff}]
  - username: bob
    keyauth_credentials: [{key: bob-key-0123456789abc}]
  - username: nobody
`

func TestRequestsReachTheUpstreamWithForwardingHeaders(t *testing.T) {
	e := start(t, one(""))
	r := e.get("/api/x%2Fy/?q=1;2&b=%zz", "X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Consumer-Username: root",
		"X_Consumer_Username: root", "X-Forwarded-Prefix: /evil", "Forwarded: for=6.6.6.6", "Host: shop.example", "X-Custom: kept")
	require.Equal(t, 200, r.status, r.body)
	got := r.json(t)
	assert.Equal(t, "/api/x%2Fy/", got["path"])
	assert.Equal(t, "q=1;2&b=%zz", got["query"], "as it came")
	assert.NotEqual(t, "shop.example", got["host"], "preserve_host is off")
	assert.Equal(t, "127.0.0.1", r.sent(t, "X-Forwarded-For"))
	assert.Equal(t, "127.0.0.1", r.sent(t, "X-Real-Ip"))
	assert.Equal(t, "http", r.sent(t, "X-Forwarded-Proto"))
	assert.Equal(t, "shop.example", r.sent(t, "X-Forwarded-Host"))
	assert.Equal(t, "/api/x%2Fy/", r.sent(t, "X-Forwarded-Path"))
	assert.Equal(t, "kept", r.sent(t, "X-Custom"))
	for _, name := range []string{"X-Consumer-Username", "X_Consumer_Username", "X-Forwarded-Prefix", "Forwarded"} {
		assert.Empty(t, r.sent(t, name), name)
	}
}

func TestATrustedProxyIsBelieved(t *testing.T) {
	e := start(t, one(""), func(c *gateway.Config) {
		c.Proxies.Prefixes = append(c.Proxies.Prefixes, mustPrefix("127.0.0.0/8"))
	})
	r := e.get("/api", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example")
	assert.Equal(t, "203.0.113.9, 127.0.0.1", r.sent(t, "X-Forwarded-For"))
	assert.Equal(t, "203.0.113.9", r.sent(t, "X-Real-Ip"))
	assert.Equal(t, "https", r.sent(t, "X-Forwarded-Proto"))
	assert.NotEqual(t, "shop.example", r.sent(t, "X-Forwarded-Host"), "routes have gone by Host")
}

func TestAPathCannotBeWrittenAroundARoutesPlugins(t *testing.T) {
	e := start(t, `_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM/base
    routes:
      - {name: open, paths: [/open]}
      - name: closed
        paths: [/open/closed]
        plugins: [{name: request-termination, config: {status_code: 403}}]
`)
	for _, path := range []string{"/open/closed", "/open/x/../closed", "/open//closed", "/open/%63losed", "/open/./closed", "/open/x/%2e%2E/closed"} {
		assert.Equal(t, 403, e.get(path).status, path)
	}
	assert.Equal(t, "/base/x", e.get("/open/x").json(t)["path"])
	assert.Equal(t, "/base/etc", e.get("/open../etc").json(t)["path"], "never above the service's path")
	assert.Equal(t, 404, e.get("/open/../../x").status)
}

func TestARouteThatIsNotThereIsAProblem(t *testing.T) {
	r := start(t, one("")).get("/nothing")
	assert.Equal(t, 404, r.status)
	assert.Equal(t, "no_route", r.json(t)["code"])
	assert.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
}

func TestKeyAuth(t *testing.T) {
	e := start(t, one("  - {name: key-auth, config: {hide_credentials: true}}")+people)
	assert.Equal(t, 401, e.get("/api").status)
	refused := e.get("/api", "apikey: x")
	assert.Equal(t, refused.body, e.get("/api", "apikey: wrong-key-0123456789").body, "the client does not learn why")
	assert.Equal(t, 401, e.get("/api", "apikey: alice-key-0123456789", "apikey: bob-key-0123456789abc").status)

	r := e.get("/api?a=1", "apikey: alice-key-0123456789")
	require.Equal(t, 200, r.status)
	assert.Equal(t, "alice", r.sent(t, "X-Consumer-Username"))
	assert.Equal(t, "7", r.sent(t, "X-Consumer-Custom-Id"))
	assert.Equal(t, "staff", r.sent(t, "X-Consumer-Groups"))
	assert.NotEmpty(t, r.sent(t, "X-Credential-Identifier"))
	assert.Empty(t, r.sent(t, "Apikey"), "hidden")

	r = e.get("/api?a=1&apikey=bob-key-0123456789abc&b=2")
	require.Equal(t, 200, r.status)
	assert.Equal(t, "bob", r.sent(t, "X-Consumer-Username"))
	assert.Equal(t, "a=1&b=2", r.json(t)["query"])
	assert.NotContains(t, e.log.String()+e.access.String(), "bob-key", "no key reaches a log")
}

func TestKeyAuthMayTakeStrangersForSomebody(t *testing.T) {
	e := start(t, one("  - {name: key-auth, config: {anonymous: nobody, key_in_query: false}}")+people)
	r := e.get("/api")
	require.Equal(t, 200, r.status)
	assert.Equal(t, "nobody", r.sent(t, "X-Consumer-Username"))
	assert.Equal(t, "true", r.sent(t, "X-Anonymous-Consumer"))
	r = e.get("/api?apikey=bob-key-0123456789abc")
	assert.Equal(t, "nobody", r.sent(t, "X-Consumer-Username"), "not from the query")
	r = e.get("/api", "apikey: bob-key-0123456789abc")
	assert.Equal(t, "bob", r.sent(t, "X-Consumer-Username"))
	assert.Empty(t, r.sent(t, "X-Anonymous-Consumer"))
}

// token makes an HS256 token.
func token(secret, claims string) string {
	enc := base64.RawURLEncoding
	head := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(head))
	return head + "." + enc.EncodeToString(mac.Sum(nil))
}

func TestJWT(t *testing.T) {
	e := start(t, one("  - {name: jwt, config: {cookie_names: [session]}}")+people)
	const secret = "0123456789abcdef0123456789abcdef"
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	good := token(secret, fmt.Sprintf(`{"sub":"7","iss":"alice-issuer","exp":%d}`, in(time.Hour)))
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"good":                 {good, 200},
		"expired":              {token(secret, fmt.Sprintf(`{"sub":"7","iss":"alice-issuer","exp":%d}`, in(-time.Hour))), 401},
		"without exp":          {token(secret, `{"sub":"7","iss":"alice-issuer"}`), 401},
		"not yet":              {token(secret, fmt.Sprintf(`{"sub":"7","iss":"alice-issuer","exp":%d,"nbf":%d}`, in(time.Hour), in(time.Minute))), 401},
		"another secret":       {token(secret+"x", fmt.Sprintf(`{"sub":"7","iss":"alice-issuer","exp":%d}`, in(time.Hour))), 401},
		"an unknown issuer":    {token(secret, fmt.Sprintf(`{"sub":"7","iss":"bob","exp":%d}`, in(time.Hour))), 401},
		"as Kong has them":     {token(secret, fmt.Sprintf(`{"iss":"alice-issuer","exp":%d}`, in(time.Hour))), 200},
		"two issuers":          {token(secret, fmt.Sprintf(`{"iss":"x","sub":"7","iss":"alice-issuer","exp":%d}`, in(time.Hour))), 401},
		"no signature":         {good[:strings.LastIndexByte(good, '.')+1], 401},
		"nothing like a token": {"x", 401},
	} {
		r := e.get("/api", "Authorization: Bearer "+c.token)
		assert.Equal(t, c.want, r.status, name)
		if c.want == 401 {
			assert.Contains(t, r.header.Get("WWW-Authenticate"), "Bearer", name)
		}
	}
	strict := start(t, one("  - {name: jwt, config: {claims_to_verify: [nbf]}}")+people)
	assert.Equal(t, 401, strict.get("/api?jwt="+good).status, "nbf is to be verified, and is not there")
	from := token(secret, fmt.Sprintf(`{"iss":"alice-issuer","exp":%d,"nbf":%d}`, in(time.Hour), in(-time.Minute)))
	assert.Equal(t, 200, strict.get("/api?jwt="+from).status)
	assert.Equal(t, 401, e.get("/api").status)
	assert.Equal(t, "alice", e.get("/api", "Cookie: session="+good).sent(t, "X-Consumer-Username"))
	assert.Equal(t, 200, e.get("/api?jwt="+good).status)
	other := token(secret, fmt.Sprintf(`{"sub":"7","iss":"alice-issuer","exp":%d}`, in(2*time.Hour)))
	assert.Equal(t, 401, e.get("/api?jwt="+good, "Authorization: Bearer "+other).status, "two tokens")
}

func TestACL(t *testing.T) {
	e := start(t, one("  - {name: key-auth}\n  - {name: acl, config: {allow: [staff]}}")+people)
	assert.Equal(t, 200, e.get("/api", "apikey: alice-key-0123456789").status)
	assert.Equal(t, 403, e.get("/api", "apikey: bob-key-0123456789abc").status)
	e = start(t, one("  - {name: key-auth}\n  - {name: acl, config: {deny: [staff], hide_groups_header: true}}")+people)
	assert.Equal(t, 403, e.get("/api", "apikey: alice-key-0123456789").status)
	assert.Equal(t, 200, e.get("/api", "apikey: bob-key-0123456789abc").status)
	e = start(t, one("  - {name: acl, config: {allow: [staff]}}"))
	assert.Equal(t, 401, e.get("/api").status, "nobody has said who calls")
}

func TestIPRestriction(t *testing.T) {
	assert.Equal(t, 403, start(t, one("  - {name: ip-restriction, config: {deny: [127.0.0.0/8]}}")).get("/api").status)
	assert.Equal(t, 200, start(t, one("  - {name: ip-restriction, config: {allow: [127.0.0.1]}}")).get("/api").status)
	r := start(t, one("  - {name: ip-restriction, config: {allow: [192.0.2.1], status: 404, message: Gone fishing}}")).get("/api")
	assert.Equal(t, 404, r.status)
	assert.Contains(t, r.body, "Gone fishing")
}

func TestCORS(t *testing.T) {
	e := start(t, one("  - {name: cors, config: {origins: ['https://a.example'], credentials: true, max_age: 60}}\n  - {name: key-auth}")+people)
	r := do(t, http.MethodOptions, e.url+"/api", "", "Origin: https://a.example", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: apikey")
	assert.Equal(t, 204, r.status, "a preflight needs no key")
	assert.Equal(t, "https://a.example", r.header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "true", r.header.Get("Access-Control-Allow-Credentials"))
	r = e.get("/api?set-Access-Control-Allow-Origin=*", "Origin: https://evil.example", "apikey: alice-key-0123456789")
	assert.Equal(t, 200, r.status)
	assert.Empty(t, r.header.Get("Access-Control-Allow-Origin"), "the upstream cannot widen it")
	r = e.get("/api", "Origin: https://a.example")
	assert.Equal(t, 401, r.status)
	assert.Equal(t, "https://a.example", r.header.Get("Access-Control-Allow-Origin"), "its script may read why")
}

func TestOriginsAreThoseThatBrowsersSend(t *testing.T) {
	e := start(t, one(`  - {name: cors, config: {origins: ["http://localhost:80", "HTTPS://Shop.Example:443/", app.example, "localhost:3000"], headers: [Origin, X-Token]}}`))
	for origin, allowed := range map[string]bool{
		"http://localhost": true, "https://localhost": false, "https://shop.example": true, "http://shop.example": false,
		"http://app.example": true, "https://app.example": true, "http://localhost:3000": true, "http://other.example": false,
	} {
		assert.Equal(t, allowed, e.get("/api", "Origin: "+origin).header.Get("Access-Control-Allow-Origin") == origin, origin)
	}
	asked := do(t, http.MethodOptions, e.url+"/api", "", "Origin: http://localhost", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-token")
	assert.Equal(t, 204, asked.status)
	e = start(t, one("  - {name: cors}"))
	r := e.get("/api", "Origin: https://any.example")
	assert.Equal(t, "*", r.header.Get("Access-Control-Allow-Origin"), "as in Kong, and never with credentials")
	assert.Empty(t, r.header.Get("Access-Control-Allow-Credentials"))
}

func TestRequestSizeLimiting(t *testing.T) {
	e := start(t, one("  - {name: request-size-limiting, config: {allowed_payload_size: 10, size_unit: bytes}}"))
	assert.Equal(t, 200, do(t, "POST", e.url+"/api", "0123456789").status)
	assert.Equal(t, 413, do(t, "POST", e.url+"/api", "0123456789a").status)
	r, err := http.NewRequest("POST", e.url+"/api", chunks("0123456789a"))
	require.NoError(t, err)
	resp, err := direct.RoundTrip(r)
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, 413, resp.StatusCode, "a body that does not say how long it is")
	e = start(t, one("  - {name: request-size-limiting, config: {require_content_length: true}}"))
	r, _ = http.NewRequest("POST", e.url+"/api", chunks("0"))
	resp, err = direct.RoundTrip(r)
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, 411, resp.StatusCode)
}

func TestResponseTransformerAndSecurityHeaders(t *testing.T) {
	e := start(t, one(`
  - name: response-transformer
    config:
      remove: {headers: [x-upstream]}
      rename: {headers: ["x-old:x-new"]}
      replace: {headers: ["x-there:replaced", "x-missing:never"]}
      add: {headers: ["x-there:no", "x-added:yes"]}
      append: {headers: ["x-added:more"]}
  - name: security-headers
    config: {preset: api, cache_control: no-cache}
`))
	r := e.get("/api?set-X-Old=1&set-X-There=2&set-X-Frame-Options=ALLOWALL&set-Set-Cookie=csrftoken%3D1")
	assert.Empty(t, r.header.Get("X-Upstream"))
	assert.Empty(t, r.header.Get("X-Old"))
	assert.Equal(t, "1", r.header.Get("X-New"))
	assert.Equal(t, "replaced", r.header.Get("X-There"))
	assert.Empty(t, r.header.Get("X-Missing"))
	assert.Equal(t, []string{"yes", "more"}, r.header.Values("X-Added"))
	assert.Empty(t, r.header.Get("Server"))
	assert.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
	assert.Equal(t, "no-cache", r.header.Get("Cache-Control"))
	assert.Equal(t, []string{"DENY"}, r.header.Values("X-Frame-Options"))
	assert.Contains(t, r.header.Get("Content-Security-Policy"), "default-src 'none'")
	assert.Equal(t, "csrftoken=1", r.header.Get("Set-Cookie"), "cookies are the upstream's, unless harden_cookies")
	assert.Equal(t, "nosniff", e.get("/nothing").header.Get("X-Content-Type-Options"), "refusals have them too")
}

func TestRequestTerminationAndCorrelationID(t *testing.T) {
	e := start(t, one("  - {name: request-termination, config: {status_code: 410, message: Gone., trigger: x-stop}}\n  - {name: correlation-id, config: {header_name: X-Correlation-ID, echo_downstream: true}}"))
	r := e.get("/api", "X-Correlation-ID: chosen")
	require.Equal(t, 200, r.status)
	id := r.header.Get("X-Correlation-Id")
	assert.NotEmpty(t, id)
	assert.NotEqual(t, "chosen", id, "strangers do not pick it")
	assert.Equal(t, id, r.sent(t, "X-Correlation-Id"))
	r = e.get("/api", "X-Stop: 1")
	assert.Equal(t, 410, r.status)
	assert.Contains(t, r.body, "Gone.")
	e = start(t, one("  - {name: request-termination, config: {status_code: 200, body: '<p>', content_type: text/html}}"))
	r = e.get("/api")
	assert.Equal(t, "<p>", r.body)
	assert.Equal(t, "text/html", r.header.Get("Content-Type"))
}

func TestPrometheusCounts(t *testing.T) {
	e := start(t, one("  - {name: prometheus, config: {per_consumer: true}}\n  - {name: key-auth}")+people)
	e.get("/api", "apikey: alice-key-0123456789")
	e.get("/api")
	text := do(t, "GET", e.admin+"/metrics", "").body
	assert.Contains(t, text, `kong_http_requests_total{code="200",consumer="alice",route="r",service="svc"} 1`)
	assert.Contains(t, text, `kong_http_requests_total{code="401",consumer="",route="r",service="svc"} 1`)
	assert.Contains(t, text, `kong_upstream_latency_ms_count{code="200",consumer="alice",route="r",service="svc"} 1`)
	assert.Contains(t, text, `rampart_events_total{event="authn_login_fail",layer="apikey"`)
	assert.Contains(t, text, `rampart_http_request_duration_seconds_count{method="GET",route="r",status="4xx"} 1`)
}

func TestThePluginOfTheMostSpecificPlaceRuns(t *testing.T) {
	stop := func(status int, where string) string {
		return fmt.Sprintf("  - {name: request-termination, config: {status_code: %d}%s}\n", status, where)
	}
	scopes := []string{"", ", service: svc", ", route: r", ", consumer: alice", ", route: r, service: svc", ", consumer: alice, service: svc", ", consumer: alice, route: r", ", consumer: alice, route: r, service: svc"}
	var plugins strings.Builder
	plugins.WriteString("  - {name: key-auth}\n")
	for i, scope := range scopes {
		plugins.WriteString(stop(410+i, scope))
		e := start(t, one(plugins.String())+people)
		assert.Equal(t, 410+i, e.get("/api", "apikey: alice-key-0123456789").status, scope)
	}
	e := start(t, one(plugins.String())+people)
	assert.Equal(t, 414, e.get("/api", "apikey: bob-key-0123456789abc").status, "route and service, for another consumer")
}

func TestTheUpstreamGetsTheSchemeThatIsBelieved(t *testing.T) {
	const conf = "_format_version: \"3.0\"\nservices:\n- name: s\n  url: UPSTREAM\n  routes:\n  - name: r\n    paths: [/]\n"
	for desc, tt := range map[string]struct {
		proxies rampart.Proxies
		headers []string
	}{
		"the client writes a header that no proxy writes": {rampart.Proxies{Hops: 1, SchemeHeader: "Forwarded", ClientHeader: "Forwarded"}, []string{"X-Forwarded-Proto: https", "Forwarded: for=203.0.113.9;proto=http"}},
		"a proxy appends to what the client wrote":        {rampart.Proxies{Hops: 1}, []string{"X-Forwarded-Proto: https, http", "X-Forwarded-For: 203.0.113.9"}},
	} {
		e := start(t, conf, func(c *gateway.Config) { c.Proxies = tt.proxies })
		got := e.get("/", tt.headers...)
		assert.Equal(t, "http", got.sent(t, "X-Forwarded-Proto"), desc)
		assert.Empty(t, got.sent(t, "Forwarded"), desc)
	}
}

package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLeastConnectionsCountsWebSocketsAndBodies(t *testing.T) {
	hold := func(name string) string {
		return raw(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Name: "+name+"\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
			_, _ = io.Copy(io.Discard, c)
		})
	}
	e := start(t, fmt.Sprintf(`_format_version: "3.0"
upstreams:
  - name: pool.internal
    algorithm: least-connections
    host_header: fixed.example
    targets: [{target: %s}, {target: %s}]
services:
  - {name: svc, host: pool.internal, routes: [{name: r, paths: [/]}]}
`, hold("a"), hold("b")))
	seen := map[string]int{}
	for range 4 { // none of them ends
		resp, err := (&http.Transport{}).RoundTrip(mustRequest(t, "GET", e.url, nil))
		require.NoError(t, err)
		t.Cleanup(func() { _ = resp.Body.Close() })
		seen[resp.Header.Get("X-Name")]++
	}
	assert.Equal(t, map[string]int{"a": 2, "b": 2}, seen)
}

func TestAPluginMayBeForOneSchemeOnly(t *testing.T) {
	e := start(t, one("  - {name: request-termination, protocols: [https], config: {status_code: 410}}"), func(c *gateway.Config) {
		c.Proxies.Prefixes = append(c.Proxies.Prefixes, mustPrefix("127.0.0.1/32"))
	})
	assert.Equal(t, 200, e.get("/api").status)
	assert.Equal(t, 410, e.get("/api", "X-Forwarded-Proto: https").status)
}

func TestWhatIsSwitchedOffIsNotThere(t *testing.T) {
	e := start(t, one("  - {name: request-termination, enabled: false}"))
	assert.Equal(t, 200, e.get("/api").status)
	require.Equal(t, 200, e.form("PATCH", "/services/svc", "enabled", "false").status)
	assert.Equal(t, 404, e.get("/api").status)
}

func TestMoreOfKeyAuthAndJWT(t *testing.T) {
	e := start(t, one("  - {name: jwt, config: {anonymous: nobody, key_claim_name: sub, maximum_expiration: 60, claims_to_verify: [exp], run_on_preflight: false}}\n  - {name: key-auth, config: {anonymous: nobody, key_in_header: false, run_on_preflight: false}}")+people)
	const secret = "0123456789abcdef0123456789abcdef"
	claims := func(d time.Duration) string {
		return fmt.Sprintf(`{"sub":"alice-issuer","exp":%d}`, time.Now().Add(d).Unix())
	}
	assert.Equal(t, "alice", e.get("/api", "Authorization: Bearer "+token(secret, claims(30*time.Second))).sent(t, "X-Consumer-Username"), "and key-auth leaves it so")
	assert.Equal(t, "nobody", e.get("/api", "Authorization: Bearer "+token(secret, claims(time.Hour))).sent(t, "X-Consumer-Username"), "good for too long")
	assert.Equal(t, "bob", e.get("/api?apikey=bob-key-0123456789abc").sent(t, "X-Consumer-Username"))
	assert.Equal(t, "nobody", e.get("/api", "apikey: bob-key-0123456789abc").sent(t, "X-Consumer-Username"), "not in a header")
	r := do(t, "OPTIONS", e.url+"/api", "")
	assert.Equal(t, 200, r.status)
	assert.Empty(t, r.sent(t, "X-Consumer-Username"))

	e = start(t, one("  - {name: jwt, config: {key_claim_name: kid, header_names: [x-token]}}")+people)
	assert.Equal(t, 401, e.get("/api", "X-Token: "+token(secret, claims(time.Hour))).status, "no kid in its header")
	assert.Equal(t, 401, e.get("/api", "X-Token: a.b.c").status)
	assert.Equal(t, 401, e.get("/api", "X-Token: "+strings.Repeat("a", 9000)).status)
}

func TestALimitFailsClosedWithTheStatusOfItsOwn(t *testing.T) {
	e := start(t, one("  - {name: rate-limiting, config: {hour: 1, policy: redis, fault_tolerant: false, error_code: 420, error_message: Calm.}}"),
		func(c *gateway.Config) { c.Redis = dial(t, refusing) })
	r := e.get("/api")
	assert.Equal(t, 503, r.status)
	assert.Equal(t, "limits_unavailable", r.json(t)["code"])
}

func TestSecurityHeadersOfPagesAndHardenedCookies(t *testing.T) {
	e := start(t, one("  - {name: security-headers, config: {preset: web, harden_cookies: true, hsts_max_age: 3600}}"))
	r := e.get("/api?set-Set-Cookie=sid%3D1")
	assert.Contains(t, r.header.Get("Set-Cookie"), "HttpOnly")
	assert.Contains(t, r.header.Get("Content-Security-Policy"), "'self'")
}

func TestBodiesThatAreCutOffByTheClientAreNoFaultOfTheUpstream(t *testing.T) {
	e := start(t, one(""))
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	require.NoError(t, err)
	_, _ = io.WriteString(conn, "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
	_ = conn.Close()
	require.Eventually(t, func() bool { return strings.Contains(e.access.String(), `"status":499`) }, 20*time.Second, 20*time.Millisecond)
	assert.NotContains(t, e.log.String(), "upstream failed")
}

func TestASlowUpstreamMayTakeItsTime(t *testing.T) {
	t.Parallel() // most of it is waiting
	e := before(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond)
		_, _ = io.WriteString(w, "late")
	}, "")
	assert.Equal(t, "late", e.get("/api").body)
	assert.Equal(t, "late", do(t, "POST", e.url+"/api", "body").body)
}

func TestAHostWithAPortIsRedirectedWithoutIt(t *testing.T) {
	e := start(t, "_format_version: \"3.0\"\nservices:\n- {name: s, url: UPSTREAM, routes: [{paths: [/], protocols: [https], https_redirect_status_code: 301}]}\n")
	assert.Equal(t, "https://[::1]/x", e.get("/x", "Host: [::1]:8000").header.Get("Location"))
	assert.Equal(t, "https://a.example/x?y", e.get("/x?y", "Host: a.example").header.Get("Location"))
}

func TestASlowUpstreamHoldsUpNoOther(t *testing.T) {
	wait := make(chan struct{})
	e := start(t, strings.ReplaceAll(`_format_version: "3.0"
services:
- {name: slow, url: SLOW, routes: [{name: slow, paths: [/slow]}]}
- {name: fast, url: UPSTREAM, routes: [{name: fast, paths: [/fast]}]}
`, "SLOW", "http://"+raw(t, func(net.Conn) { <-wait })))
	done := make(chan int)
	go func() { done <- e.get("/slow").status }()
	for range 20 {
		assert.Equal(t, 200, e.get("/fast").status)
	}
	close(wait)
	assert.Equal(t, 502, <-done)
}

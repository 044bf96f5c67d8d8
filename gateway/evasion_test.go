package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exchange sends a request as it is, and returns the answer's status and body.
func exchange(t *testing.T, url, request string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestNoOtherProtocolThanWebSocketsIsAskedFor(t *testing.T) {
	e := before(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "seen: "+strings.Join(r.Header["Connection"], "")+strings.Join(r.Header["Http2-Settings"], ""))
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		_ = conn.Close()
	}, everyWriter)
	for upgrade, want := range map[string]int{
		"Upgrade: h2c":                                    200,
		"Upgrade: H2C\r\nUpgrade: websocket":              200,
		"Upgrade: websocket, h2c":                         200,
		"Upgrade: TLS/1.0":                                200,
		"Upgrade: WebSocket":                              101,
		"Upgrade: websocket\r\nUpgrade: h2c":              101,
		"Upgrade: websocket\r\nSec-Websocket-Version: 13": 101,
	} {
		status, body := exchange(t, e.url, "GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"+upgrade+"\r\n\r\n")
		assert.Equal(t, want, status, upgrade)
		if want == 200 {
			assert.Equal(t, "seen: ", body, upgrade)
		}
	}
	_, body := exchange(t, e.url, "GET /api HTTP/1.1\r\nHost: a\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	assert.Equal(t, "seen: ", body, "also where no Connection names it")
}

func TestAPathWithDotSegmentsForSomeServerIsRefused(t *testing.T) {
	e := start(t, `_format_version: "3.0"
services:
  - name: s
    url: UPSTREAM/base
    routes:
      - {name: pub, paths: [/public]}
      - {name: adm, paths: [/admin], plugins: [{name: key-auth}]}
`)
	for path, want := range map[string]int{
		"/public/..;/admin":          400,
		"/public/..;a=b/admin":       400,
		"/public/..%3b/admin":        400,
		"/public/%2e%2E;/admin":      400,
		"/public/..%2Fadmin":         400,
		"/public/..%2fadmin":         400,
		"/public/..%5Cadmin":         400,
		"/public/..%5cadmin":         400,
		`/public/..\admin`:           400,
		"/public%2f..%2fadmin":       400,
		"/public/x%2F%2e%2e":         400,
		"/public/.;/admin":           400,
		"/public/%2e%2e/admin":       401,
		"/public/a;v=1.2/b..c;d/...": 200,
		"/public/a%2Fb":              200,
		"/public/caf%c3%a9":          200,
	} {
		status, body := exchange(t, e.url, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		assert.Equal(t, want, status, "%s: %s", path, body)
	}
	for _, path := range []string{"/public..%2Fetc", "/public..;/etc", "/public..%5Cetc"} {
		_, body := exchange(t, e.url, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		assert.NotContains(t, body, `"path":"/base/..`, "a prefix that ends inside a segment")
	}
}

func TestAMethodThatSomeServerTakesForAnotherIsRefused(t *testing.T) {
	e := start(t, `_format_version: "3.0"
services:
  - name: s
    url: UPSTREAM
    routes:
      - {name: all, paths: [/]}
      - {name: del, paths: [/], methods: [DELETE], plugins: [{name: key-auth}]}
`)
	for method, want := range map[string]int{"GET": 200, "M-SEARCH": 200, "DELETE": 401, "delete": 400, "Delete": 400, "DELETE.": 400} {
		status, _ := exchange(t, e.url, method+" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		assert.Equal(t, want, status, method)
	}
}

func TestTrailersOfAClientGetNoFurther(t *testing.T) {
	got := make(chan http.Header, 1)
	e := before(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Trailer
	}, everyWriter)
	status, _ := exchange(t, e.url, "POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Consumer-Username\r\n\r\n2\r\nab\r\n0\r\nX-Consumer-Username: root\r\n\r\n")
	assert.Equal(t, 200, status)
	assert.Empty(t, <-got)
}

func TestHeadersThatAskForSomethingElseAreDropped(t *testing.T) {
	r := start(t, one("  - {name: prometheus}\n")).get("/api", "Proxy: http://evil.example", "X-Original-URL: /admin", "X-Rewrite-URL: /admin",
		"X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "X-Original: stays")
	for _, name := range []string{"Proxy", "X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		assert.Empty(t, r.sent(t, name), name)
	}
	assert.Equal(t, "stays", r.sent(t, "X-Original"))
}

func TestTheAnonymousConsumerHasItsGroups(t *testing.T) {
	for _, auth := range []string{"key-auth", "jwt"} {
		for rule, want := range map[string]int{"deny: [strangers]": 403, "deny: [staff]": 200, "allow: [strangers]": 200, "allow: [staff]": 403} {
			e := start(t, one("  - {name: "+auth+", config: {anonymous: nobody}}\n  - {name: acl, config: {"+rule+"}}\n")+`
consumers:
  - {username: nobody, acls: [{group: strangers}]}
`)
			r := e.get("/api")
			assert.Equal(t, want, r.status, "%s %s", auth, rule)
			if want == 200 {
				assert.Equal(t, "true", r.sent(t, "X-Anonymous-Consumer"))
				assert.Equal(t, "strangers", r.sent(t, "X-Consumer-Groups"))
			}
		}
	}
}

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// paths is every row of the server's table, with the fields that it takes.
var paths = []struct{ path, method, field string }{
	{"/api/token/", "POST", "username"},
	{"/api/token/refresh/", "POST", "refresh"},
	{"/api/token/verify/", "POST", "token"},
	{"/api/token/blacklist/", "POST", "refresh"},
	{"/api/password/", "POST", "old"},
	{"/.well-known/jwks.json", "GET", ""},
	{"/api/secure/", "GET", ""},
	{"/api/public/", "GET", ""},
	{"/api/products/", "POST", "name"},
	{"/api/products/", "GET", ""},
	{"/api/register/", "POST", "email"},
	{"/api/customers/1/", "GET", ""},
	{"/api/partner/", "GET", ""},
	{"/api/keys/", "POST", "name"},
	{"/api/keys/", "GET", ""},
	{"/api/keys/nope/rotate/", "POST", "overlap"},
	{"/api/keys/nope/", "DELETE", ""},
	{"/healthz", "GET", ""},
}

// badBodies are the kinds of a body that no path takes, made for one field.
func badBodies(field string) map[string]string {
	return map[string]string{
		"malformed":           `{"` + field + `":}`,
		"truncated":           `{"` + field + `":"x`,
		"empty":               ``,
		"not an object":       `[1]`,
		"null":                `null`,
		"deeply nested":       strings.Repeat(`{"a":`, 100000) + `1` + strings.Repeat(`}`, 100000),
		"deeply nested array": `{"` + field + `":` + strings.Repeat(`[`, 100000) + strings.Repeat(`]`, 100000) + `}`,
		"duplicate keys":      `{"` + field + `":"a","` + field + `":"b"}`,
		"wrongly typed":       `{"` + field + `":{"$gt":""}}`,
		"a number":            `{"` + field + `":1e400}`,
		"not UTF-8":           "{\"" + field + "\":\"\xff\xfe\"}",
		"NUL":                 `{"` + field + `":"a\u0000b"}`,
		"a lone surrogate":    `{"` + field + `":"\ud800"}`,
		"trailing data":       `{"` + field + `":"a"} {}`,
		"NaN":                 `{"` + field + `":NaN}`,
	}
}

func TestNoBadInputGetsA5xxAndEveryAnswerIsProtected(t *testing.T) {
	s := startService(t, wide...)
	alice, _ := s.login("alice")
	made := s.post("/api/keys/", `{"name":"bad input"}`, bearer(alice))
	key := "X-API-Key: " + made.field(t, "key")
	check := func(t *testing.T, a answer, want ...int) {
		t.Helper()
		protected(t, a)
		if len(want) > 0 {
			assert.Contains(t, want, a.status, a.body)
		}
		assert.GreaterOrEqual(t, a.status, 400)
		assert.Less(t, a.status, 500, a.body)
		assert.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		assert.NotEmpty(t, a.field(t, "code"))
	}
	huge := `{"name":"` + strings.Repeat("a", 50<<20) + `"}`
	for _, p := range paths {
		t.Run(p.method+" "+p.path, func(t *testing.T) {
			s := &service{t: t, url: s.url, logs: s.logs, srv: s.srv}
			switch p.method {
			case http.MethodPost:
				for kind, body := range badBodies(p.field) {
					t.Run(kind, func(t *testing.T) {
						s := &service{t: t, url: s.url}
						check(t, s.post(p.path, body, bearer(alice)))
					})
				}
				check(t, s.do("POST", p.path, `<x/>`, bearer(alice), "Content-Type: application/xml"), 415)
				check(t, s.do("POST", p.path, `{}`, bearer(alice), "Content-Type: nonsense/"), 415)
				check(t, s.do("POST", p.path, `{}`, bearer(alice), asJSON, "Content-Encoding: gzip"), 415)
				check(t, s.fifty(p.path, huge, bearer(alice)), 413)
			case http.MethodGet:
				// A body on a GET means nothing and must change nothing.
				a := s.do(p.method, p.path, "junk", bearer(alice), key)
				protected(t, a)
				assert.Less(t, a.status, 500)
			}
			wrong := s.do("PROPFIND", p.path, "", bearer(alice), key)
			check(t, wrong, 405)
			assert.NotEmpty(t, wrong.header.Get("Allow"))
			check(t, s.do(p.method, p.path+"nope", "", bearer(alice), key), 404, 405)
		})
	}
	for _, path := range []string{"/nope", "/api/", "/api/customers/%00/", "/api/customers/%ff/", "/api/customers/..%2f..%2fetc/", "/api/products/?after=%00", "/api/products/?after=1&after=2", "/api/products/?%zz"} {
		a := s.do("GET", path, "", bearer(alice))
		check(t, a)
	}
}

// fifty sends a body of 50 MB; the server may answer and close before it has
// read it all.
func (s *service) fifty(path, body string, headers ...string) answer {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), 5*time.Second)
	require.NoError(s.t, err)
	defer conn.Close()
	go func() {
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n\r\n", path, len(body), strings.Join(headers, "\r\n"))
		_, _ = io.WriteString(conn, body)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// protected checks the headers that every answer must carry.
func protected(t *testing.T, a answer) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Content-Security-Policy":      "default-src 'none'",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Request-Id":                 "",
	} {
		got := a.header[http.CanonicalHeaderKey(name)]
		if assert.Len(t, got, 1, name) {
			assert.Contains(t, got[0], want)
		}
	}
	assert.Empty(t, a.header.Get("Server"))
}

func TestRawRequestsThatNoClientLibrarySends(t *testing.T) {
	s := startService(t, wide...)
	for desc, raw := range map[string]string{
		"no Host":            "GET /api/public/ HTTP/1.0\r\n\r\n",
		"another host":       "GET /api/public/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
		"OPTIONS *":          "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"an absolute target": "GET https://evil.example/api/public/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"CONNECT":            "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n\r\n",
		"two Authorizations": "GET /api/secure/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\nConnection: close\r\n\r\n",
		"two Origins":        "GET /api/nope/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://www.ecolaura.com\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n",
		"dot segments":       "GET /api/../nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"a path of 20 KB":    "GET /" + strings.Repeat("a", 20000) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"a method of 8 KB":   strings.Repeat("A", 8000) + " /api/public/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"a NUL in a header":  "GET /api/partner/ HTTP/1.1\r\nHost: localhost\r\nX-API-Key: a\x00b\r\nConnection: close\r\n\r\n",
		"a body that ends":   "POST /api/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"username\":\"a",
		"bad chunks":         "POST /api/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
	} {
		t.Run(desc, func(t *testing.T) {
			conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://"), 5*time.Second)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, raw)
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).CloseWrite())
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			a := answer{resp.StatusCode, resp.Header, string(text)}
			assert.Less(t, a.status, 500, a.body)
			assert.GreaterOrEqual(t, a.status, 300, a.body)
			if a.header.Get("X-Request-Id") != "" { // else net/http answered by itself
				protected(t, a)
			} else {
				assert.Contains(t, []int{400, 431}, a.status)
			}
			assert.NotContains(t, a.header.Get("Location"), "evil")
		})
	}
}

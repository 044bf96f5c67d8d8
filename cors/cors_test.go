package cors_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
)

// full is a policy with everything that goes with credentials.
func full() cors.Config {
	return cors.Config{
		Origins:         []string{"https://app.example.com", "https://*.shop.example"},
		Methods:         []string{"PUT", "DELETE"},
		RequestHeaders:  []string{"Authorization", "Content-Type"},
		ResponseHeaders: []string{"X-Total", "ETag"},
		Credentials:     true,
		MaxAge:          10 * time.Minute,
	}
}

func everybody() cors.Config {
	return cors.Config{
		Origins: []string{"*"}, Methods: []string{"*"}, RequestHeaders: []string{"*"}, ResponseHeaders: []string{"*"},
	}
}

// mustNew is for configurations that are right.
func mustNew(t *testing.T, cfg cors.Config) *cors.CORS {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	c, err := cors.New(cfg)
	require.NoError(t, err)
	return c
}

// lines is a shorthand for header lines: name, value, name, value.
type lines []string

func (ls lines) request(t *testing.T, method string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://api.example.com/", nil)
	for i := 0; i < len(ls); i += 2 {
		r.Header.Add(ls[i], ls[i+1])
	}
	return r
}

// asks is the lines of a preflight.
func asks(origin, method, headers string) lines {
	ls := lines{"Origin", origin, "Access-Control-Request-Method", method}
	if headers != "" {
		ls = append(ls, "Access-Control-Request-Headers", headers)
	}
	return ls
}

// serve asks c's handler and reports whether next ran.
func serve(c *cors.CORS, r *http.Request) (w *httptest.ResponseRecorder, ran bool) {
	h := c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }))
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, ran
}

const (
	varyAll     = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	varyAnybody = "Access-Control-Request-Method, Access-Control-Request-Headers"
)

func TestEveryLineOnTheWire(t *testing.T) {
	bearer := full()
	bearer.Credentials, bearer.MaxAge, bearer.ResponseHeaders = false, 0, nil
	echo := cors.Config{Origins: []string{"https://app.example.com"}, Methods: []string{"*"}, RequestHeaders: []string{"*"}, Credentials: true, MaxAge: cors.NoPreflightCache}
	named := everybody()
	named.RequestHeaders = []string{"*", "Authorization"}
	private := cors.Config{Origins: []string{"https://app.example.com"}, PrivateNetwork: true, PreflightStatus: 200}

	tests := []struct {
		desc   string
		cfg    cors.Config
		method string
		lines  lines
		status int
		want   http.Header
		runs   bool
	}{
		{
			"actual, allowed, with credentials", full(), "GET",
			lines{"Origin", "https://app.example.com"},
			200,
			http.Header{
				"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Credentials": {"true"},
				"Access-Control-Expose-Headers": {"Etag, X-Total"}, "Vary": {"Origin"},
			},
			true,
		},
		{
			"actual, allowed, without credentials and nothing exposed", bearer, "PUT",
			lines{"Origin", "https://a.b.shop.example"},
			200,
			http.Header{"Access-Control-Allow-Origin": {"https://a.b.shop.example"}, "Vary": {"Origin"}},
			true,
		},
		{"actual, denied", full(), "GET", lines{"Origin", "https://evil.example"}, 200, http.Header{"Vary": {"Origin"}}, true},
		{"same origin", full(), "POST", lines{"Origin", "https://api.example.com"}, 200, http.Header{"Vary": {"Origin"}}, true},
		{"no Origin", full(), "GET", nil, 200, http.Header{"Vary": {"Origin"}}, true},
		{
			"everybody, with an Origin", everybody(), "GET",
			lines{"Origin", "https://app.example.com"},
			200,
			http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Expose-Headers": {"*"}},
			true,
		},
		{
			"everybody, without an Origin: the same, so that caches may share it", everybody(), "GET", nil, 200,
			http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Expose-Headers": {"*"}},
			true,
		},
		{
			"preflight: what was asked for and no more", full(), "OPTIONS", asks("https://app.example.com", "PUT", "content-type"), 204,
			http.Header{
				"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Credentials": {"true"},
				"Access-Control-Allow-Methods": {"PUT"}, "Access-Control-Allow-Headers": {"content-type"},
				"Access-Control-Max-Age": {"600"}, "Vary": {varyAll},
			},
			false,
		},
		{
			"preflight: a safelisted method needs no naming", bearer, "OPTIONS", asks("https://app.example.com", "POST", ""), 204,
			http.Header{"Access-Control-Allow-Origin": {"https://app.example.com"}, "Vary": {varyAll}},
			false,
		},
		{
			"preflight: any method and header with credentials are named", echo, "OPTIONS", asks("https://app.example.com", "PROPFIND", "x-a,x-b"), 204,
			http.Header{
				"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Credentials": {"true"},
				"Access-Control-Allow-Methods": {"PROPFIND"}, "Access-Control-Allow-Headers": {"x-a,x-b"},
				"Access-Control-Max-Age": {"0"}, "Vary": {varyAll},
			},
			false,
		},
		{
			"preflight: everybody", everybody(), "OPTIONS", asks("https://app.example.com", "PUT", "x-a"), 204,
			http.Header{
				"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Methods": {"*"}, "Access-Control-Allow-Headers": {"*"},
				"Vary": {varyAnybody},
			},
			false,
		},
		{
			"preflight: Authorization named beside the wildcard", named, "OPTIONS", asks("https://app.example.com", "GET", "authorization"), 204,
			http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Headers": {"*,authorization"}, "Vary": {varyAnybody}},
			false,
		},
		{
			"preflight: a list in several lines is answered in one", full(), "OPTIONS",
			append(asks("https://app.example.com", "GET", "authorization"), "Access-Control-Request-Headers", "content-type"), 204,
			http.Header{
				"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Credentials": {"true"},
				"Access-Control-Allow-Headers": {"authorization,content-type"}, "Access-Control-Max-Age": {"600"}, "Vary": {varyAll},
			},
			false,
		},
		{
			"preflight: private network", private, "OPTIONS",
			append(asks("https://app.example.com", "GET", ""), "Access-Control-Request-Private-Network", "true"), 200,
			http.Header{
				"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Private-Network": {"true"},
				"Vary": {varyAll + ", Access-Control-Request-Private-Network"},
			},
			false,
		},
		{
			"preflight: private network not asked for", private, "OPTIONS", asks("https://app.example.com", "GET", ""), 200,
			http.Header{
				"Access-Control-Allow-Origin": {"https://app.example.com"},
				"Vary":                        {varyAll + ", Access-Control-Request-Private-Network"},
			},
			false,
		},
		{"preflight, denied", full(), "OPTIONS", asks("https://evil.example", "PUT", ""), 403, refused(varyAll), false},
		{"preflight, denied by everybody's policy", everybody(), "OPTIONS", asks("https://app.example.com", "TRACE", ""), 403, refused(varyAnybody), false},
		{
			"OPTIONS that is no preflight passes on", full(), "OPTIONS",
			lines{"Origin", "https://evil.example"},
			200,
			http.Header{"Vary": {"Origin"}},
			true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			c := mustNew(t, tt.cfg)
			w, ran := serve(c, tt.lines.request(t, tt.method))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.want, w.Header())
			assert.Equal(t, tt.runs, ran, "next ran")
			if tt.status == 403 {
				assert.JSONEq(t, `{"title":"Forbidden","status":403,"code":"cors_denied"}`, w.Body.String())
			} else {
				assert.Empty(t, w.Body.String())
			}
		})
	}
}

func refused(vary string) http.Header {
	return http.Header{
		"Vary": {vary}, "Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
	}
}

func TestVerdictsAndReasons(t *testing.T) {
	private := full()
	private.PrivateNetwork = true
	anyHeader := cors.Config{Origins: []string{"https://app.example.com"}, RequestHeaders: []string{"*"}, Methods: []string{"*"}}
	echo := anyHeader
	echo.Credentials = true
	long := strings.Repeat("x", 300)

	tests := []struct {
		desc   string
		cfg    cors.Config
		method string
		lines  lines
		want   cors.Verdict
		reason rampart.Denial
		value  string
	}{
		{"no Origin", full(), "POST", nil, cors.Verdict{Kind: cors.NotCORS}, "", ""},
		{"listed", full(), "POST", lines{"Origin", "https://app.example.com"}, cors.Verdict{Kind: cors.Actual, Origin: "https://app.example.com", Allowed: true}, "", ""},
		{"stranger", full(), "POST", lines{"Origin", "https://evil.example"}, cors.Verdict{Kind: cors.Actual, Origin: "https://evil.example"}, cors.OriginNotAllowed, "https://evil.example"},
		{"null", full(), "POST", lines{"Origin", "null"}, cors.Verdict{Kind: cors.Actual, Origin: "null"}, cors.OriginNotAllowed, "null"},
		{"malformed", full(), "POST", lines{"Origin", "https://a/b"}, cors.Verdict{Kind: cors.Actual}, cors.OriginMalformed, "https://a/b"},
		{"empty", full(), "POST", lines{"Origin", ""}, cors.Verdict{Kind: cors.Actual}, cors.OriginMalformed, ""},
		{"long", full(), "POST", lines{"Origin", "https://" + long}, cors.Verdict{Kind: cors.Actual}, cors.OriginMalformed, ("https://" + long)[:256]},
		{"own host", full(), "POST", lines{"Origin", "https://api.example.com"}, cors.Verdict{Kind: cors.SameOrigin, Origin: "https://api.example.com"}, "", ""},
		{
			"own page that sends no referrer, so its origin is null", full(), "POST",
			lines{"Origin", "null", "Sec-Fetch-Site", "same-origin"},
			cors.Verdict{Kind: cors.SameOrigin, Origin: "null"},
			"", "",
		},
		{
			"own host, but the browser says same-site", full(), "POST",
			lines{"Origin", "https://api.example.com", "Sec-Fetch-Site", "same-site"},
			cors.Verdict{Kind: cors.Actual, Origin: "https://api.example.com"},
			cors.OriginNotAllowed, "https://api.example.com",
		},
		{
			"own host, two lines about the site", full(), "POST",
			lines{"Origin", "https://api.example.com", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "same-origin"},
			cors.Verdict{Kind: cors.Actual, Origin: "https://api.example.com"},
			cors.OriginNotAllowed, "https://api.example.com",
		},
		{
			"own host in a preflight, which browsers do not send", full(), "OPTIONS", asks("https://api.example.com", "PUT", ""),
			cors.Verdict{Kind: cors.Preflight, Origin: "https://api.example.com"},
			cors.OriginNotAllowed, "https://api.example.com",
		},
		{"everybody", everybody(), "GET", lines{"Origin", "https://a.example"}, cors.Verdict{Kind: cors.Actual, Origin: "https://a.example", Allowed: true}, "", ""},
		{"everybody, null", everybody(), "GET", lines{"Origin", "null"}, cors.Verdict{Kind: cors.Actual, Origin: "null", Allowed: true}, "", ""},
		{"everybody, malformed", everybody(), "GET", lines{"Origin", "a b"}, cors.Verdict{Kind: cors.Actual, Allowed: true}, "", ""},
		{"preflight", full(), "OPTIONS", asks("https://app.example.com", "PUT", ""), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com", Allowed: true}, "", ""},
		{"method", full(), "OPTIONS", asks("https://app.example.com", "PATCH", ""), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"}, cors.MethodNotAllowed, "PATCH"},
		{
			"two method lines", full(), "OPTIONS", append(asks("https://app.example.com", "PUT", ""), "Access-Control-Request-Method", "PUT"),
			cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"},
			cors.MethodNotAllowed, "PUT",
		},
		{"header", full(), "OPTIONS", asks("https://app.example.com", "PUT", "content-type,x-other"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"}, cors.HeaderNotAllowed, "x-other"},
		{"header in upper case", full(), "OPTIONS", asks("https://app.example.com", "PUT", "Content-Type"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"}, cors.HeaderListMalformed, "Content-Type"},
		{"list out of order", full(), "OPTIONS", asks("https://app.example.com", "PUT", "content-type,authorization"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"}, cors.HeaderListMalformed, "content-type,authorization"},
		{"echoed list out of order", echo, "OPTIONS", asks("https://app.example.com", "PUT", "x-b,x-a"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"}, cors.HeaderListMalformed, "x-b,x-a"},
		{"echoed name in upper case", echo, "OPTIONS", asks("https://app.example.com", "PUT", "X-A"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"}, cors.HeaderListMalformed, "X-A"},
		{"echoed name of 300 bytes", echo, "OPTIONS", asks("https://app.example.com", "PUT", long), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com", Allowed: true}, "", ""},
		{"echoed Authorization", echo, "OPTIONS", asks("https://app.example.com", "PUT", "authorization"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com", Allowed: true}, "", ""},
		{"private network", full(), "OPTIONS", append(asks("https://app.example.com", "PUT", ""), "Access-Control-Request-Private-Network", "true"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com"}, cors.PrivateNetworkNotAllowed, "true"},
		{"private network, allowed", private, "OPTIONS", append(asks("https://app.example.com", "PUT", ""), "Access-Control-Request-Private-Network", "true"), cors.Verdict{Kind: cors.Preflight, Origin: "https://app.example.com", Allowed: true}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			verdict, err := mustNew(t, tt.cfg).Check(tt.lines.request(t, tt.method))
			assert.Equal(t, tt.want, verdict)
			if tt.reason == "" {
				assert.NoError(t, err)
				return
			}
			denied, ok := errors.AsType[*cors.DeniedError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, &cors.DeniedError{Reason: tt.reason, Origin: tt.want.Origin, Value: tt.value}, denied)
		})
	}
}

func TestSameOriginWithoutSecFetchSite(t *testing.T) {
	tests := []struct {
		origin, host string
		want         bool
	}{
		{"https://api.example.com", "api.example.com", true},
		{"https://api.example.com", "api.example.com:443", true},
		{"http://api.example.com", "api.example.com:80", true},
		{"http://api.example.com:8080", "api.example.com:8080", true},
		{"http://[::1]:8080", "[::1]:8080", true},
		{"https://api.example.com", "api.example.com:80", false},
		{"https://api.example.com", "api.example.com:8443", false},
		{"https://api.example.com:8443", "api.example.com", false},
		{"https://api.example.com", "api.example.com.evil.example", false},
		{"https://api.example.co", "api.example.com", false},
		{"https://evil.example", "api.example.com", false},
		{"extension://abc", "abc:", false},
		{"null", "", false},
		{"null", "null", false},
	}
	c := mustNew(t, full())
	for _, tt := range tests {
		t.Run(tt.origin+" at "+tt.host, func(t *testing.T) {
			r := lines{"Origin", tt.origin}.request(t, "POST")
			r.Host = tt.host
			if strings.HasPrefix(tt.origin, "http:") {
				r.TLS = nil
			}
			verdict, _ := c.Check(r)
			assert.Equal(t, tt.want, verdict.Kind == cors.SameOrigin)

			r.TLS = new(tls.ConnectionState)
			verdict, _ = c.Check(r)
			assert.Equal(t, tt.want && !strings.HasPrefix(tt.origin, "http:"), verdict.Kind == cors.SameOrigin, "over TLS")
		})
	}
}

func TestDeniedErrorQuotesWhatTheClientChose(t *testing.T) {
	_, err := mustNew(t, full()).Check(lines{"Origin", "https://a\n\x1b[2J"}.request(t, "GET"))
	assert.EqualError(t, err, `cors: origin "": origin_malformed: "https://a\n\x1b[2J"`)
}

func TestKindsHaveNames(t *testing.T) {
	names := map[cors.Kind]string{
		cors.NotCORS: "not_cors", cors.SameOrigin: "same_origin", cors.Preflight: "preflight", cors.Actual: "actual", 9: "Kind(9)",
	}
	for kind, want := range names {
		assert.Equal(t, want, kind.String())
	}
}

func TestTheZeroCORSAllowsNobody(t *testing.T) {
	old := slog.Default() // which it reports to
	slog.SetDefault(quiet())
	defer slog.SetDefault(old)
	var c cors.CORS
	for _, r := range []*http.Request{
		lines{"Origin", "https://app.example.com"}.request(t, "GET"),
		lines(nil).request(t, "GET"),
	} {
		w, ran := serve(&c, r)
		assertNoCORS(t, w.Header())
		assert.Equal(t, "Origin", w.Header().Get("Vary"))
		assert.True(t, ran)
	}
	w, ran := serve(&c, asks("https://app.example.com", "GET", "").request(t, "OPTIONS"))
	assertNoCORS(t, w.Header())
	assert.Equal(t, http.StatusForbidden, w.Code)
	assert.False(t, ran)
}

func TestEnforceRefusesWhatOnlyHidAnAnswer(t *testing.T) {
	cfg := full()
	cfg.Enforce = true
	c := mustNew(t, cfg)
	tests := []struct {
		desc  string
		lines lines
		runs  bool
	}{
		{"stranger", lines{"Origin", "https://evil.example"}, false},
		{"malformed", lines{"Origin", "https://app.example.com", "Origin", "https://app.example.com"}, false},
		{"null", lines{"Origin", "null"}, false},
		{"listed", lines{"Origin", "https://app.example.com"}, true},
		{"same origin", lines{"Origin", "https://api.example.com", "Sec-Fetch-Site", "same-origin"}, true},
		{"no Origin", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			w, ran := serve(c, tt.lines.request(t, "POST"))
			assert.Equal(t, tt.runs, ran, "next ran")
			if !tt.runs {
				assert.Equal(t, http.StatusForbidden, w.Code)
				assert.Equal(t, refused("Origin"), w.Header())
			}
		})
	}
}

func TestErrorHandlerAnswersButGrantsNothing(t *testing.T) {
	var got error
	cfg := full()
	cfg.Enforce = true
	cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		got = err
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusTeapot)
	}
	c := mustNew(t, cfg)
	for _, r := range []*http.Request{
		asks("https://evil.example", "PUT", "").request(t, "OPTIONS"),
		lines{"Origin", "https://evil.example"}.request(t, "POST"),
	} {
		w, ran := serve(c, r)
		assert.Equal(t, http.StatusTeapot, w.Code)
		assertNoCORS(t, w.Header())
		assert.Contains(t, varyOf(w.Header()), "origin")
		assert.False(t, ran)
		denied, ok := errors.AsType[*cors.DeniedError](got)
		require.True(t, ok)
		assert.Equal(t, cors.OriginNotAllowed, denied.Reason)
	}
}

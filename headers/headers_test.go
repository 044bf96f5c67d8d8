package headers_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// silent drops what the layer logs.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newHeaders(tb testing.TB, cfg headers.Config) *headers.Headers {
	tb.Helper()
	if cfg.Logger == nil {
		cfg.Logger = silent()
	}
	h, err := headers.New(cfg)
	require.NoError(tb, err)
	return h
}

// over returns a request from a stranger.
func over(scheme, method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "api.example.com"
	r.RemoteAddr = "192.0.2.1:4711"
	r.TLS = nil
	if scheme == "https" {
		r.TLS = &tls.ConnectionState{}
	}
	return r
}

func answer(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// never is a handler that must not run.
func never(tb testing.TB) http.Handler {
	tb.Helper()
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tb.Error("next ran") })
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }

// apiSet and webSet are the presets, spelled out by hand.
func apiSet() map[string]string {
	return map[string]string{
		"Strict-Transport-Security":         "max-age=31536000",
		"Content-Security-Policy":           "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
		"X-Frame-Options":                   "DENY",
		"X-Content-Type-Options":            "nosniff",
		"Referrer-Policy":                   "no-referrer",
		"Permissions-Policy":                allOff,
		"Cross-Origin-Resource-Policy":      "same-origin",
		"Cache-Control":                     "no-store",
		"X-Xss-Protection":                  "0",
		"Origin-Agent-Cluster":              "?1",
		"X-Permitted-Cross-Domain-Policies": "none",
		"X-Dns-Prefetch-Control":            "off",
	}
}

func webSet() map[string]string {
	set := apiSet()
	set["Content-Security-Policy"] = "default-src 'self'; script-src-attr 'none'; img-src 'self' data:; object-src 'none'; form-action 'self'; frame-ancestors 'self'; base-uri 'self'"
	set["X-Frame-Options"] = "SAMEORIGIN"
	set["Referrer-Policy"] = "same-origin"
	set["Cross-Origin-Opener-Policy"] = "same-origin"
	delete(set, "Cache-Control")
	return set
}

const allOff = "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"

func assertSet(tb testing.TB, want map[string]string, got http.Header) {
	tb.Helper()
	for name, value := range want {
		assert.Equal(tb, []string{value}, got[name], name)
	}
}

func TestPresets(t *testing.T) {
	for desc, tt := range map[string]struct {
		cfg  headers.Config
		want map[string]string
	}{
		"the zero Preset is API": {headers.Config{AllowedHosts: []string{"api.example.com"}}, apiSet()},
		"API":                    {headers.API("api.example.com"), apiSet()},
		"Web":                    {headers.Web("api.example.com"), webSet()},
		"PresetWeb":              {headers.Config{AllowedHosts: []string{"api.example.com"}, Preset: headers.PresetWeb}, webSet()},
	} {
		t.Run(desc, func(t *testing.T) {
			h := newHeaders(t, tt.cfg).Handler(http.HandlerFunc(ok))
			resp := answer(h, over("https", "GET", "/"))
			assertSet(t, tt.want, resp.Header)
			resp.Header.Del("Content-Type")
			assert.Len(t, resp.Header, len(tt.want), "nothing else")
		})
	}
}

func TestRefusalsAndRedirect(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	tests := []struct {
		desc     string
		edit     func(*headers.Config)
		request  func() *http.Request
		status   int
		code     string
		location string
	}{
		{"https is served", nil, func() *http.Request { return over("https", "POST", "/") }, 200, "", ""},
		{"another host is refused", nil, func() *http.Request { r := over("https", "GET", "/"); r.Host = "evil.example"; return r }, 400, "bad_host", ""},
		{"http GET is redirected", nil, func() *http.Request { return over("http", "GET", "/a?b=c") }, 308, "", "https://api.example.com/a?b=c"},
		{"http POST is refused", nil, func() *http.Request { return over("http", "POST", "/") }, 403, "https_required", ""},
		{"http with a token is refused", nil, func() *http.Request { r := over("http", "GET", "/"); r.Header.Set("Authorization", "x"); return r }, 403, "https_required", ""},
		{"a stranger's word is ignored", nil, func() *http.Request {
			r := over("http", "POST", "/")
			r.Header.Set("X-Forwarded-Proto", "https")
			return r
		}, 403, "https_required", ""},
		{"a trusted proxy's word counts", func(c *headers.Config) { c.Proxies.Prefixes = trusted }, func() *http.Request {
			r := over("http", "POST", "/")
			r.RemoteAddr = "10.0.0.1:1"
			r.Header.Set("X-Forwarded-Proto", "https")
			return r
		}, 200, "", ""},
		{"a probe is served by address over http", func(c *headers.Config) { c.ProbePaths = []string{"/healthz"} }, func() *http.Request { r := over("http", "GET", "/healthz"); r.Host = "10.1.2.3:80"; return r }, 200, "", ""},
		{"301 and another host and port", func(c *headers.Config) {
			c.AllowedHosts = append(c.AllowedHosts, "www.example.com:8443")
			c.Redirect = headers.Redirect{Status: 301, Host: "www.example.com", Port: 8443}
		}, func() *http.Request { return over("http", "HEAD", "/") }, 301, "", "https://www.example.com:8443/"},
		{"the redirect is off", func(c *headers.Config) { c.Redirect.Off = true }, func() *http.Request { return over("http", "GET", "/") }, 403, "https_required", ""},
		{"plain http is allowed", func(c *headers.Config) { c.DangerouslyAllowHTTP = true }, func() *http.Request { return over("http", "POST", "/") }, 200, "", ""},
		{"any host is allowed", func(c *headers.Config) { c.AllowedHosts, c.DangerouslyAnyHost = nil, true }, func() *http.Request { r := over("https", "GET", "/"); r.Host = "x.example"; return r }, 200, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			cfg := headers.API("api.example.com")
			if tt.edit != nil {
				tt.edit(&cfg)
			}
			h := newHeaders(t, cfg)
			next := http.Handler(http.HandlerFunc(ok))
			if tt.status != 200 {
				next = never(t)
			}
			resp := answer(h.Handler(next), tt.request())
			assert.Equal(t, tt.status, resp.StatusCode)
			assert.Equal(t, tt.location, resp.Header.Get("Location"))
			want := apiSet()
			if r := tt.request(); r.TLS == nil && r.RemoteAddr != "10.0.0.1:1" {
				delete(want, "Strict-Transport-Security")
				assert.Empty(t, resp.Header["Strict-Transport-Security"])
			}
			assertSet(t, want, resp.Header)
			if tt.code != "" {
				assert.Contains(t, body(resp), `"code":"`+tt.code+`"`)
				assert.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
			}
			v, err := h.Check(tt.request())
			assert.Equal(t, tt.status >= 400, err != nil, "Check agrees")
			assert.Equal(t, tt.location, v.Location)
		})
	}
}

func body(resp *http.Response) string {
	var b bytes.Buffer
	_, _ = b.ReadFrom(resp.Body)
	return b.String()
}

func TestRefusalsAreReported(t *testing.T) {
	var log bytes.Buffer
	cfg := headers.API("api.example.com")
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	h := newHeaders(t, cfg).Handler(never(t))

	r := over("https", "GET", "/x?secret=1")
	r.Host = "evil.example\n"
	answer(h, r)
	assert.Contains(t, log.String(), `"level":"WARN"`)
	assert.Contains(t, log.String(), `"event":"malicious_host","reason":"malformed","host":"evil.example\\n"`)
	assert.NotContains(t, log.String(), "secret")

	log.Reset()
	r = over("http", "GET", "/x")
	r.Header.Set("Authorization", "Bearer t0ken")
	answer(h, r)
	assert.Contains(t, log.String(), `"event":"insecure_transport","reason":"credentials","header":"Authorization"`)
	assert.NotContains(t, log.String(), "t0ken")
}

func TestAnErrorHandlerAnswersInPlaceOfTheProblem(t *testing.T) {
	var got error
	cfg := headers.API("api.example.com")
	cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		got = err
		w.WriteHeader(http.StatusTeapot)
	}
	h := newHeaders(t, cfg).Handler(never(t))
	resp := answer(h, over("http", "POST", "/"))
	assert.Equal(t, http.StatusTeapot, resp.StatusCode)
	assert.EqualError(t, got, "headers: plain http: method")
	assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))

	r := over("https", "GET", "/")
	r.Host = "a b"
	answer(h, r)
	assert.EqualError(t, got, `headers: host "a b": malformed`)
	r = over("http", "GET", "/")
	r.Header.Set("Cookie", "a=b")
	answer(h, r)
	assert.EqualError(t, got, "headers: plain http: credentials (Cookie)")
}

func TestTheZeroHeadersRefusesEverything(t *testing.T) {
	var h headers.Headers
	resp := answer(h.Handler(never(t)), over("https", "GET", "/"))
	assert.Equal(t, 400, resp.StatusCode)
	v, err := h.Check(over("https", "GET", "/"))
	assert.Equal(t, headers.RefuseHost, v.Action)
	assert.EqualError(t, err, `headers: host "api.example.com": unset`)
	_, err = h.Route(func(*headers.Config) {})
	assert.Equal(t, "Route: missing", conferrtest.Text(err))
}

func TestSchemeInTheContext(t *testing.T) {
	cfg := headers.API("api.example.com")
	cfg.DangerouslyAllowHTTP = true
	var got []string
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		scheme, ok := headers.Scheme(r.Context())
		got = append(got, fmt.Sprint(scheme, ok))
	}))
	answer(h, over("https", "GET", "/"))
	answer(h, over("http", "GET", "/"))
	scheme, ok := headers.Scheme(t.Context())
	assert.Equal(t, []string{"httpstrue", "httptrue", "false"}, append(got, fmt.Sprint(scheme, ok)))
}

func TestWhatAnOuterLayerSetIsPartOfTheAnswer(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com")).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	got := answer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Powered-By", "x")
		w.Header().Set("X-Request-ID", "1")
		w.Header().Set("Cache-Control", "public")
		h.ServeHTTP(w, r)
	}), over("https", "GET", "/")).Header
	assertSet(t, apiSet(), got)
	assert.Equal(t, "1", got.Get("X-Request-ID"))
	assert.NotContains(t, got, "X-Powered-By")
}

func TestTheRequestOutsideIsNotTouched(t *testing.T) {
	type key struct{}
	cfg := headers.API("api.example.com")
	cfg.Cookies.Prefix = map[string]string{"sid": "__Host-"}
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "outer", r.Context().Value(key{}))
		assert.Equal(t, "/x", r.URL.Path)
		assert.NoError(t, r.Context().Err())
		_, deadline := r.Context().Deadline()
		assert.False(t, deadline)
		r.Header.Set("X", "y")
	}))
	r := over("https", "GET", "/x")
	r.Header.Set("Cookie", "__Host-sid=1")
	before := r.Header.Clone()
	ctx := contextWith(r, key{}, "outer")
	answer(h, r.WithContext(ctx))
	assert.Equal(t, before, r.Header)
}

func contextWith(r *http.Request, key, value any) context.Context {
	return context.WithValue(r.Context(), key, value)
}

func prefixes(ss ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(ss))
	for i, s := range ss {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

func nothing() *strings.Reader { return strings.NewReader("") }

// The look-up of respelled names goes by length: a handler's name may be longer
// than all of ours.
func TestALongHeaderNameOfAHandlerPasses(t *testing.T) {
	long := "X-" + strings.Repeat("a", 80)
	w := httptest.NewRecorder()
	newHeaders(t, headers.API("api.example.com")).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()[long] = []string{"v"}
	})).ServeHTTP(w, over("https", http.MethodGet, "/"))
	assert.Equal(t, []string{"v"}, w.Header()[long])
}

func TestAnOpaqueTargetIsNotRedirected(t *testing.T) {
	r := over("http", http.MethodGet, "/")
	r.URL = &url.URL{Scheme: "http", Opaque: "evil.example"}
	_, err := newHeaders(t, headers.API("api.example.com")).Check(r)
	insecure, ok := errors.AsType[*headers.InsecureError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, headers.InsecureTarget, insecure.Reason)
}

package headers_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func newCSRF(tb testing.TB, cfg headers.CSRFConfig) *headers.CSRF {
	tb.Helper()
	if cfg.Logger == nil {
		cfg.Logger = silent()
	}
	c, err := headers.NewCSRF(cfg)
	require.NoError(tb, err)
	return c
}

func TestCSRF(t *testing.T) {
	zero := headers.CSRFConfig{}
	trusting := headers.CSRFConfig{TrustedOrigins: []string{"https://admin.example.com", "http://localhost:3000"}}
	signal := headers.CSRFConfig{RequireSignal: true}
	exempting := headers.CSRFConfig{DangerouslyExempt: []string{"POST /hooks/", "GET /ws"}}
	type h = http.Header
	site := func(s string, origin ...string) h {
		header := h{"Sec-Fetch-Site": {s}}
		if origin != nil {
			header["Origin"] = origin
		}
		return header
	}
	origin := func(lines ...string) h { return h{"Origin": lines} }
	ws := func(header h) h {
		header = header.Clone()
		header["Connection"], header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		return header
	}
	tests := []struct {
		desc   string
		cfg    headers.CSRFConfig
		method string
		target string
		header h
		plain  bool
		want   rampart.Denial // "" = admitted
		std    bool           // the standard library admits it
	}{
		{"a page of ours", zero, "POST", "/", site("same-origin", "https://api.example.com"), false, "", true},
		{"a bookmark", zero, "POST", "/", site("none"), false, "", true},
		{"another site", zero, "POST", "/", site("cross-site", "https://evil.example"), false, "cross_origin", false},
		{"a sibling host", zero, "DELETE", "/", site("same-site", "https://www.example.com"), false, "cross_origin", false},
		{"an unknown relation", zero, "POST", "/", site("unheard-of"), false, "cross_origin", false},
		{"a safe method", zero, "GET", "/", site("cross-site", "https://evil.example"), false, "", true},
		{"HEAD", zero, "HEAD", "/", site("cross-site"), false, "", true},
		{"OPTIONS", zero, "OPTIONS", "/", site("cross-site"), false, "", true},
		{"a method in lower case is not safe", zero, "get", "/", site("cross-site"), false, "cross_origin", false},
		{"an old browser, our page", zero, "POST", "/", origin("https://api.example.com"), false, "", true},
		{"an old browser, another page", zero, "POST", "/", origin("https://evil.example"), false, "cross_origin", false},
		{"an old browser, a sandboxed page", zero, "POST", "/", origin("null"), false, "cross_origin", false},
		{"no browser", zero, "POST", "/", h{}, false, "", true},
		{"no browser, with a cookie", zero, "POST", "/", h{"Cookie": {"a=b"}}, false, "", true},

		{"closed: a cookie without a signal", signal, "POST", "/", h{"Cookie": {"a=b"}}, false, "no_signal", true},
		{"no cookie needs no signal", signal, "POST", "/", h{"Authorization": {"x"}}, false, "", true},
		{"a cookie with a signal", signal, "POST", "/", h{"Cookie": {"a=b"}, "Origin": {"https://api.example.com"}}, false, "", true},
		{"closed: a cross-site WebSocket", zero, "GET", "/ws", ws(site("cross-site", "https://evil.example")), false, "cross_origin", true},
		{"closed: a cross-site WebSocket of an old browser", zero, "GET", "/ws", ws(origin("https://evil.example")), false, "cross_origin", true},
		{"closed: a WebSocket with a cookie without a signal", signal, "GET", "/ws", ws(h{"Cookie": {"a=b"}}), false, "no_signal", true},
		{"our WebSocket", zero, "GET", "/ws", ws(origin("https://api.example.com")), false, "", true},
		{"a WebSocket of no browser", zero, "GET", "/ws", ws(h{}), false, "", true},
		{"closed: two Origin lines", zero, "POST", "/", origin("https://api.example.com", "https://evil.example"), false, "ambiguous", true},
		{"closed: two Sec-Fetch-Site lines", zero, "POST", "/", h{"Sec-Fetch-Site": {"same-origin", "cross-site"}}, false, "ambiguous", true},
		{"closed: an Origin without a scheme", zero, "POST", "/", origin("//api.example.com"), false, "malformed", true},
		{"closed: an Origin with userinfo", zero, "POST", "/", origin("https://evil@api.example.com"), false, "malformed", true},
		{"closed: an Origin with a path", zero, "POST", "/", origin("https://api.example.com/x"), false, "malformed", true},
		{"closed: an Origin of another scheme", zero, "POST", "/", origin("evil://api.example.com"), false, "malformed", true},
		{"closed: an empty Origin", zero, "POST", "/", origin(""), false, "malformed", true},
		{"closed: an empty Sec-Fetch-Site", zero, "POST", "/", site(""), false, "malformed", true},
		{"closed: our host over http, on https", zero, "POST", "/", origin("http://api.example.com"), false, "insecure", true},
		{"our host over http, on http", zero, "POST", "/", origin("http://api.example.com"), true, "", true},

		{"a trusted origin", trusting, "POST", "/", site("cross-site", "https://admin.example.com"), false, "", true},
		{"a trusted origin of an old browser", trusting, "POST", "/", origin("http://localhost:3000"), false, "", true},
		{"a trusted origin's WebSocket", trusting, "GET", "/ws", ws(site("same-site", "https://admin.example.com")), false, "", true},
		{"beside a trusted origin", trusting, "POST", "/", site("cross-site", "https://admin.example.com:444"), false, "cross_origin", false},

		{"an exempt path", exempting, "POST", "/hooks/x", site("cross-site"), false, "", true},
		{"an exempt path, twice named", exempting, "POST", "/hooks/x", origin("a", "b"), false, "", true},
		{"an exempt WebSocket", exempting, "GET", "/ws", ws(site("cross-site")), false, "", true},
		{"another method there", exempting, "PUT", "/hooks/x", site("cross-site"), false, "cross_origin", false},
		{"what ServeMux would redirect there", exempting, "POST", "/a/../hooks/", site("cross-site"), false, "cross_origin", false},
		{"without the trailing slash", exempting, "POST", "/hooks", site("cross-site"), false, "cross_origin", false},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			c := newCSRF(t, tt.cfg)
			r := httptest.NewRequest(tt.method, "https://api.example.com"+tt.target, nil)
			r.Header = tt.header.Clone()
			r.TLS = &tls.ConnectionState{}
			if tt.plain {
				r.TLS = nil
			}
			ran := false
			resp := answer(c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true })), r)
			assert.Equal(t, tt.want == "", ran)
			err := c.Check(r)
			if tt.want == "" {
				assert.NoError(t, err)
				assert.Equal(t, 200, resp.StatusCode)
			} else {
				var refused *headers.CSRFError
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, tt.want, refused.Reason)
				assert.Equal(t, 403, resp.StatusCode)
				assert.Contains(t, body(resp), `"code":"csrf_failed"`)
			}

			std := http.NewCrossOriginProtection()
			for _, o := range tt.cfg.TrustedOrigins {
				require.NoError(t, std.AddTrustedOrigin(o))
			}
			for _, p := range tt.cfg.DangerouslyExempt {
				std.AddInsecureBypassPattern(p)
			}
			assert.Equal(t, tt.std, std.Check(r) == nil, "what the standard library says")
		})
	}
}

func TestCSRFGoesByTheSchemeOfTheLayer(t *testing.T) {
	cfg := headers.Web("api.example.com")
	cfg.Proxies.Prefixes = prefixes("10.0.0.0/8")
	h := newHeaders(t, cfg)
	c := newCSRF(t, headers.CSRFConfig{})
	r := over("http", "POST", "/")
	r.RemoteAddr = "10.0.0.1:1"
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("Origin", "http://api.example.com")
	resp := answer(h.Handler(c.Handler(never(t))), r)
	assert.Equal(t, 403, resp.StatusCode)
	assertSet(t, map[string]string{"X-Frame-Options": "SAMEORIGIN"}, resp.Header)
}

func TestCSRFRefusalsAreReported(t *testing.T) {
	var log bytes.Buffer
	var got error
	c := newCSRF(t, headers.CSRFConfig{
		Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			got = err
			w.WriteHeader(http.StatusTeapot)
		},
	})
	r := over("https", "POST", "/transfer?to=x")
	r.Header.Set("Origin", "https://evil.example")
	resp := answer(c.Handler(never(t)), r)
	assert.Equal(t, http.StatusTeapot, resp.StatusCode)
	assert.EqualError(t, got, `headers: csrf: origin "https://evil.example": cross_origin`)
	assert.Contains(t, log.String(), `"event":"malicious_csrf","reason":"cross_origin","origin":"https://evil.example"`)
	assert.NotContains(t, log.String(), "to=x")
}

func TestNewCSRFReportsEveryMistake(t *testing.T) {
	c, err := headers.NewCSRF(headers.CSRFConfig{
		TrustedOrigins: []string{
			"https://ok.example", "https://*.github.io", "http://*.example.com", "https://*.example.com:*", "https://*", "https://*.com", "https://*.amazonaws.com", "https://a.example:443", "https://u@a.example", "https://A.example", "a.example", "https://a.example/",
			"http://a.example", "null", "*", "", "ftp://a.example", "https://ok.example", "http://127.0.0.1", "http://localhost:80", "https://a.example.",
		},
		DangerouslyExempt: []string{"/ok", "/{", "/ok", "hooks"},
	})
	assert.Nil(t, c)
	assert.Equal(t, `TrustedOrigins: too_wide: "https://*.github.io"
TrustedOrigins: unsafe: "http://*.example.com"
TrustedOrigins: invalid: "https://*"
TrustedOrigins: too_wide: "https://*.com"
TrustedOrigins: too_wide: "https://*.amazonaws.com"
TrustedOrigins: invalid: "https://a.example:443"
TrustedOrigins: invalid: "https://u@a.example"
TrustedOrigins: invalid: "https://A.example"
TrustedOrigins: invalid: "a.example"
TrustedOrigins: invalid: "https://a.example/"
TrustedOrigins: unsafe: "http://a.example"
TrustedOrigins: invalid: "null"
TrustedOrigins: invalid: "*"
TrustedOrigins: invalid
TrustedOrigins: invalid: "ftp://a.example"
TrustedOrigins: duplicate: "https://ok.example"
TrustedOrigins: invalid: "http://localhost:80"
TrustedOrigins: invalid: "https://a.example."
DangerouslyExempt: invalid: "/{"
DangerouslyExempt: invalid: "/ok"
DangerouslyExempt: invalid: "hooks"`, conferrtest.Text(err))
	for m := range rampart.Mistakes(err) {
		assert.Equal(t, "headers.CSRFConfig", m.Type)
	}
}

func TestCSRFReconfigure(t *testing.T) {
	c := newCSRF(t, headers.CSRFConfig{})
	r := over("https", "POST", "/")
	r.Header.Set("Origin", "https://admin.example.com")
	assert.Error(t, c.Check(r))
	assert.Error(t, c.Reconfigure(headers.CSRFConfig{TrustedOrigins: []string{"https://admin.example.com", "x"}}))
	assert.Error(t, c.Check(r), "the old configuration stays")
	require.NoError(t, c.Reconfigure(headers.CSRFConfig{TrustedOrigins: []string{"https://admin.example.com"}, Logger: silent()}))
	assert.NoError(t, c.Check(r))
	require.NoError(t, c.Reconfigure(headers.CSRFConfig{Logger: silent()}))
	assert.Error(t, c.Check(r))
}

func TestTheZeroCSRFRefusesEverything(t *testing.T) {
	var c headers.CSRF
	assert.EqualError(t, c.Check(over("https", "GET", "/")), `headers: csrf: origin "": unset`)
	assert.Equal(t, 403, answer(c.Handler(never(t)), over("https", "GET", "/")).StatusCode)
}

func BenchmarkCSRF(b *testing.B) {
	c := newCSRF(b, headers.CSRFConfig{})
	r := over("https", "POST", "/")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", "https://api.example.com")
	b.ReportAllocs()
	for b.Loop() {
		if c.Check(r) != nil {
			b.Fatal("refused")
		}
	}
}

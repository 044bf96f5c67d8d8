package headers_test

import (
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func TestNewReportsEveryMistake(t *testing.T) {
	tests := []struct {
		desc string
		edit func(*headers.Config)
		want []string // without the prefix "headers: "
	}{
		{"no hosts", func(c *headers.Config) { c.AllowedHosts = nil }, []string{`AllowedHosts: missing`}},
		{"hosts and any host", func(c *headers.Config) { c.DangerouslyAnyHost = true }, []string{`DangerouslyAnyHost: conflict`}},
		{"hosts", func(c *headers.Config) {
			c.AllowedHosts = []string{
				"ok.example", "*", "*:*", "*.com", "https://a.example", "a.example/", "A.example", "a.example.", "a b", "", "a.example:", "a.example:0", "a.example:99999", "a.example:80:*",
				"::1", "[::1", "[0:0::1]", "127.1", "*.127.0.0.1", "*.[::1]", "a.*.example", "ü.example", ".example", "*example.com", "ok.example", "u@a.example", "a,b", "-a.example",
			}
		}, []string{
			`AllowedHosts: too_wide: "*"`, `AllowedHosts: too_wide: "*:*"`, `AllowedHosts: too_wide: "*.com"`,
			`AllowedHosts: invalid: "https://a.example"`, `AllowedHosts: invalid: "a.example/"`, `AllowedHosts: invalid: "A.example"`, `AllowedHosts: invalid: "a.example."`,
			`AllowedHosts: invalid: "a b"`, `AllowedHosts: invalid`, `AllowedHosts: invalid: "a.example:"`, `AllowedHosts: invalid: "a.example:0"`, `AllowedHosts: invalid: "a.example:99999"`,
			`AllowedHosts: invalid: "a.example:80:*"`, `AllowedHosts: invalid: "::1"`, `AllowedHosts: invalid: "[::1"`, `AllowedHosts: invalid: "[0:0::1]"`, `AllowedHosts: invalid: "127.1"`,
			`AllowedHosts: invalid: "*.127.0.0.1"`, `AllowedHosts: invalid: "*.[::1]"`, `AllowedHosts: invalid: "a.*.example"`, `AllowedHosts: invalid: "ü.example"`, `AllowedHosts: invalid: ".example"`,
			`AllowedHosts: invalid: "*example.com"`, `AllowedHosts: duplicate: "ok.example"`, `AllowedHosts: invalid: "u@a.example"`, `AllowedHosts: invalid: "a,b"`, `AllowedHosts: invalid: "-a.example"`,
		}},
		{"preset", func(c *headers.Config) { c.Preset = 3 }, []string{`Preset: invalid`}},
		{"probes", func(c *headers.Config) {
			c.ProbePaths = []string{"/ok", "/", "/ok/", "healthz", "", "/a/../b", "/a?b", "/a%20b", "//a", "/*"}
		}, []string{`ProbePaths: invalid: "healthz"`, `ProbePaths: invalid`, `ProbePaths: invalid: "/a/../b"`, `ProbePaths: invalid: "/a?b"`, `ProbePaths: invalid: "/a%20b"`, `ProbePaths: invalid: "//a"`, `ProbePaths: invalid: "/*"`}},
		{"credential headers", func(c *headers.Config) { c.CredentialHeaders = []string{"X-Ok", "X:No", ""} }, []string{`CredentialHeaders: invalid: "X:No"`, `CredentialHeaders: invalid`}},
		{"redirect", func(c *headers.Config) { c.Redirect = headers.Redirect{Status: 302, Port: -1, Host: "a:b"} }, []string{`Redirect.Status: invalid: "302"`, `Redirect.Port: invalid: "-1"`, `Redirect.Host: invalid: "a:b"`}},
		{"redirect to an impossible port", func(c *headers.Config) { c.Redirect.Port = 65536 }, []string{`Redirect.Port: invalid: "65536"`}},
		{"redirect to a host that is refused", func(c *headers.Config) { c.Redirect.Host = "other.example" }, []string{`Redirect.Host: conflict: "other.example"`}},
		{"redirect to a port that is refused", func(c *headers.Config) { c.Redirect = headers.Redirect{Host: "ok.example", Port: 8443} }, []string{`Redirect.Host: conflict: "ok.example"`}},
		{"a redirect that never happens", func(c *headers.Config) { c.Redirect = headers.Redirect{Off: true, Status: 301} }, []string{`Redirect: pointless`}},
		{"a redirect beside plain http", func(c *headers.Config) { c.DangerouslyAllowHTTP, c.Redirect.Port = true, 443 }, []string{`Redirect: pointless`}},
		{"HSTS", func(c *headers.Config) { c.HSTS.MaxAge = -1 * time.Second }, []string{`HSTS.MaxAge: invalid: "-1s"`}},
		{"HSTS of a part of a second", func(c *headers.Config) { c.HSTS.MaxAge = 1500 * time.Millisecond }, []string{`HSTS.MaxAge: invalid: "1.5s"`}},
		{"HSTS off and on", func(c *headers.Config) { c.HSTS = headers.HSTS{Off: true, Subdomains: true} }, []string{`HSTS.Off: conflict`}},
		{"preload without subdomains", func(c *headers.Config) { c.HSTS.Preload = true }, []string{`HSTS.Preload: conflict`}},
		{"preload for too short", func(c *headers.Config) {
			c.HSTS = headers.HSTS{Preload: true, Subdomains: true, MaxAge: 24 * time.Hour}
		}, []string{`HSTS.Preload: conflict`}},
		{"preload without the redirect", func(c *headers.Config) {
			c.HSTS, c.Redirect.Off = headers.HSTS{Preload: true, Subdomains: true}, true
		}, []string{`HSTS.Preload: conflict`}},
		{"preload with plain http", func(c *headers.Config) {
			c.HSTS, c.DangerouslyAllowHTTP = headers.HSTS{Preload: true, Subdomains: true}, true
		}, []string{`HSTS.Preload: conflict`}},
		{"fixed headers", func(c *headers.Config) {
			c.FrameOptions, c.ReferrerPolicy, c.OpenerPolicy, c.EmbedderPolicy, c.ResourcePolicy, c.CacheControl = "ALLOW-FROM https://a.example", "no-referer", "same-origin\r\nX: y", "require-corp;", "same-origin ", "no-store;"
		}, []string{
			`FrameOptions: invalid: "ALLOW-FROM https://a.example"`, `ReferrerPolicy: invalid: "no-referer"`, `OpenerPolicy: invalid: "same-origin\r\nX: y"`,
			`EmbedderPolicy: invalid: "require-corp;"`, `ResourcePolicy: invalid: "same-origin "`, `CacheControl: invalid: "no-store;"`,
		}},
		{"more of them", func(c *headers.Config) {
			c.ReferrerPolicy, c.OpenerPolicy, c.EmbedderPolicy, c.CacheControl = "no-referrer,", `same-origin; report-to="nowhere"`, `require-corp; report-to=main`, "max-age=x"
		}, []string{`ReferrerPolicy: invalid: "no-referrer,"`, `OpenerPolicy: conflict: "nowhere"`, `EmbedderPolicy: invalid: "require-corp; report-to=main"`, `CacheControl: invalid: "max-age=x"`}},
		{"report-only policies", func(c *headers.Config) {
			c.OpenerPolicyReportOnly, c.EmbedderPolicyReportOnly = "same-origin", `credentialless; report-to="nowhere"`
		}, []string{`OpenerPolicyReportOnly: invalid: "same-origin"`, `EmbedderPolicyReportOnly: conflict: "nowhere"`}},
		{"report-only policies that are none", func(c *headers.Config) {
			c.ReportingEndpoints = map[string]string{"a": "/r"}
			c.OpenerPolicyReportOnly, c.EmbedderPolicyReportOnly = `same; report-to="a"`, `same-origin; report-to="a"`
		}, []string{`OpenerPolicyReportOnly: invalid: "same; report-to=\"a\""`, `EmbedderPolicyReportOnly: invalid: "same-origin; report-to=\"a\""`}},
		{"no-store takes nothing", func(c *headers.Config) { c.CacheControl = "no-store=1" }, []string{`CacheControl: invalid: "no-store=1"`}},
		{"a value that is no token", func(c *headers.Config) { c.CacheControl = `private="a b"` }, []string{`CacheControl: invalid: "private=\"a b\""`}},
		{"permissions", func(c *headers.Config) {
			c.Permissions = headers.Permissions{"Camera": nil, "a;b": nil, "usb": {"*", "self"}, "midi": {"https://a.example/", "http://a.example", "'self'", "self", "self"}}
		}, []string{
			`Permissions: invalid: "Camera"`, `Permissions: invalid: "a;b"`, `Permissions: invalid: "https://a.example/"`, `Permissions: invalid: "http://a.example"`, `Permissions: invalid: "'self'"`,
			`Permissions: duplicate: "self"`, `Permissions: conflict: "*"`,
		}},
		{"endpoints", func(c *headers.Config) {
			c.ReportingEndpoints = map[string]string{"Main": "https://a.example/r", "a": "http://a.example/", "b": `https://a.example/"`, "c": "//a.example/", "d": "https://u@a.example/", "e": "https://a.example/#x", "f": "https://a b/", "g": "/\x7f", "h": "https://a.example/%zz"}
		}, []string{
			`ReportingEndpoints: invalid: "Main"`, `ReportingEndpoints: invalid: "http://a.example/"`, `ReportingEndpoints: invalid: "https://a.example/\""`, `ReportingEndpoints: invalid: "//a.example/"`,
			`ReportingEndpoints: invalid: "https://u@a.example/"`, `ReportingEndpoints: invalid: "https://a.example/#x"`, `ReportingEndpoints: invalid: "https://a b/"`, `ReportingEndpoints: invalid: "/\x7f"`, `ReportingEndpoints: invalid: "https://a.example/%zz"`,
		}},
		{"extra", func(c *headers.Config) {
			c.Extra = map[string]string{
				"X-Ok": "1", "x-ok": "2", "X No": "1", "X-Bad": "a\r\nb", "X-Empty": "", "X-Blank": " a", "vary": "Origin", "Set-Cookie": "a=b", "access-control-allow-origin": "*",
				"Connection": "close", "x-frame-options": "DENY", "Content-Length": "1", "Cross-Origin-Opener-Policy-Report-Only": "x", "Cross-Origin-Embedder-Policy-Report-Only": "x",
			}
		}, []string{
			`Extra: reserved: "Connection"`, `Extra: reserved: "Content-Length"`, `Extra: reserved: "Cross-Origin-Embedder-Policy-Report-Only"`, `Extra: reserved: "Cross-Origin-Opener-Policy-Report-Only"`, `Extra: reserved: "Set-Cookie"`, `Extra: invalid: "X No"`, `Extra: invalid: "a\r\nb"`, `Extra: invalid: " a"`, `Extra: invalid`,
			`Extra: reserved: "access-control-allow-origin"`, `Extra: reserved: "vary"`, `Extra: reserved: "x-frame-options"`, `Extra: duplicate: "x-ok"`,
		}},
		{"remove", func(c *headers.Config) {
			c.Extra, c.Remove = map[string]string{"X-Ok": "1"}, []string{"Via", "a b", "x-ok", "Content-Type", "Strict-Transport-Security"}
		}, []string{`Remove: invalid: "a b"`, `Remove: conflict: "x-ok"`, `Remove: reserved: "Content-Type"`, `Remove: reserved: "Strict-Transport-Security"`}},
		{"cookies", func(c *headers.Config) {
			c.Cookies.ScriptReadable = []string{"a b", "tok"}
			c.Cookies.SameSite = map[string]http.SameSite{"a": http.SameSiteDefaultMode, "b c": http.SameSiteLaxMode}
			c.Cookies.Prefix = map[string]string{"sid": "__host-", "__Secure-x": "__Host-", "y=": "__Host-", "tok": "__Http-"}
		}, []string{
			`Cookies.ScriptReadable: invalid: "a b"`, `Cookies.SameSite: invalid: "a"`, `Cookies.SameSite: invalid: "b c"`, `Cookies.Prefix: invalid: "__Secure-x"`, `Cookies.Prefix: invalid: "__host-"`,
			`Cookies.Prefix: conflict: "tok"`, `Cookies.Prefix: invalid: "y="`,
		}},
		{"cookies off and on", func(c *headers.Config) { c.Cookies.Off, c.Cookies.ScriptReadable = true, []string{"a"} }, []string{`Cookies.Off: conflict`}},
		{"many fields at once", func(c *headers.Config) {
			c.AllowedHosts, c.FrameOptions, c.HSTS.MaxAge, c.CSP = nil, "x", -1, &headers.CSP{}
		}, []string{`AllowedHosts: missing`, `HSTS.MaxAge: invalid: "-1ns"`, `FrameOptions: invalid: "x"`, `CSP.Default: missing`}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			cfg := headers.Config{AllowedHosts: []string{"ok.example"}}
			tt.edit(&cfg)
			h, err := headers.New(cfg)
			assert.Nil(t, h)
			require.Error(t, err)
			assert.Equal(t, tt.want, strings.Split(conferrtest.Text(err), "\n"))
			n := 0
			for m := range rampart.Mistakes(err) {
				assert.Equal(t, "headers.Config", m.Type)
				n++
			}
			assert.Equal(t, len(tt.want), n, "each is a *rampart.ConfigError")
		})
	}
}

func TestEveryFieldTakesGoodValues(t *testing.T) {
	cfg := headers.Config{
		AllowedHosts:   []string{"api.example.com", "*.example.com", "*.example.com:8443", "*.shop.example:*", "*.localhost:*", "localhost:8080", "[2001:db8::1]:*", "192.0.2.1", "my_service", "xn--bcher-kva.example"},
		Preset:         headers.PresetWeb,
		HSTS:           headers.HSTS{MaxAge: 2 * 365 * 24 * time.Hour, Subdomains: true, Preload: true},
		Redirect:       headers.Redirect{Status: 301, Port: 8443, Host: "www.example.com"},
		FrameOptions:   headers.Off,
		ReferrerPolicy: "no-referrer, strict-origin-when-cross-origin",
		OpenerPolicy:   `same-origin-allow-popups; report-to="main"`,
		EmbedderPolicy: `credentialless; report-to="main"`,
		ResourcePolicy: "same-site",

		OpenerPolicyReportOnly:   `same-origin; report-to="main"`,
		EmbedderPolicyReportOnly: `require-corp; report-to="own"`,

		CacheControl: `private="set-cookie", no-cache, max-age=0, immutable, x=y`,
		CSPReportOnly: &headers.CSP{
			Default: []headers.Source{headers.Self}, ReportTo: "main", ReportURI: []string{"https://r.example/csp", "/csp"},
		},
		Permissions:        headers.Permissions{"geolocation": {"self", "https://maps.example", "https://*.maps.example:8443"}, "camera": {}, "fullscreen": {"*"}},
		ReportingEndpoints: map[string]string{"main": "https://r.example/r?x=1", "own": "/r"},
		Extra:              map[string]string{"clear-site-data": `"cache"`, "X-Robots-Tag": "noindex, nofollow"},
		Remove:             []string{"via"},
	}
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Via", "1.1 x")
		w.Header().Set("Server", "y")
		w.Header().Add("Clear-Site-Data", `"cookies"`)
		w.Header().Add("Reporting-Endpoints", `more="https://m.example"`)
	}))
	got := answer(h, over("https", "GET", "/")).Header
	assert.Equal(t, http.Header{
		"Strict-Transport-Security":           {"max-age=63072000; includeSubDomains; preload"},
		"Content-Security-Policy":             {webSet()["Content-Security-Policy"]},
		"Content-Security-Policy-Report-Only": {"default-src 'self'; report-uri https://r.example/csp /csp; report-to main"},
		"Referrer-Policy":                     {"no-referrer, strict-origin-when-cross-origin"},
		"Cross-Origin-Opener-Policy":          {`same-origin-allow-popups; report-to="main"`},
		"Cross-Origin-Embedder-Policy":        {`credentialless; report-to="main"`},
		"Cross-Origin-Resource-Policy":        {"same-site"},

		"Cross-Origin-Opener-Policy-Report-Only":   {`same-origin; report-to="main"`},
		"Cross-Origin-Embedder-Policy-Report-Only": {`require-corp; report-to="own"`},

		"Cache-Control":                     {`private="set-cookie", no-cache, max-age=0, immutable, x=y`},
		"Permissions-Policy":                {`camera=(), fullscreen=*, geolocation=(self "https://maps.example" "https://*.maps.example:8443")`},
		"Reporting-Endpoints":               {`main="https://r.example/r?x=1", own="/r"`, `more="https://m.example"`},
		"X-Content-Type-Options":            {"nosniff"},
		"X-Xss-Protection":                  {"0"},
		"Origin-Agent-Cluster":              {"?1"},
		"X-Permitted-Cross-Domain-Policies": {"none"},
		"X-Dns-Prefetch-Control":            {"off"},
		"Clear-Site-Data":                   {`"cache"`, `"cookies"`},
		"X-Robots-Tag":                      {"noindex, nofollow"},
		"Server":                            {"y"},
	}, got)
	for _, host := range []string{"a.b.example.com", "x.example.com:8443", "x.shop.example:1", "x.localhost:3000", "localhost:8080", "[2001:DB8::1]:9", "192.0.2.1:80", "my_service", "xn--bcher-kva.example"} {
		r := over("https", "GET", "/")
		r.Host = host
		assert.Equal(t, 200, answer(h, r).StatusCode, host)
	}
	assert.Equal(t, "https://www.example.com:8443/", answer(h, over("http", "GET", "/")).Header.Get("Location"))
}

func TestOffLeavesAHeaderOut(t *testing.T) {
	cfg := headers.Web("api.example.com")
	cfg.HSTS.Off = true
	for _, field := range []*string{&cfg.FrameOptions, &cfg.ReferrerPolicy, &cfg.OpenerPolicy, &cfg.OpenerPolicyReportOnly, &cfg.EmbedderPolicy, &cfg.EmbedderPolicyReportOnly, &cfg.ResourcePolicy, &cfg.CacheControl} {
		*field = headers.Off
	}
	cfg.Permissions = headers.Permissions{}
	cfg.Remove = []string{}
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Server", "x") }))
	got := answer(h, over("https", "GET", "/")).Header
	assert.Equal(t, http.Header{
		"Content-Security-Policy": {webSet()["Content-Security-Policy"]}, "X-Content-Type-Options": {"nosniff"}, "X-Xss-Protection": {"0"}, "Origin-Agent-Cluster": {"?1"},
		"X-Permitted-Cross-Domain-Policies": {"none"}, "X-Dns-Prefetch-Control": {"off"}, "Server": {"x"},
	}, got)
}

func TestConfigsAreNotComparable(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[headers.Config](), reflect.TypeFor[headers.CSRFConfig](), reflect.TypeFor[headers.CSP](), reflect.TypeFor[headers.Cookies]()} {
		assert.False(t, typ.Comparable(), typ)
	}
}

func TestLaterChangesOfTheConfigHaveNoEffect(t *testing.T) {
	cfg := headers.Web("api.example.com")
	cfg.CSP.ReportURI = []string{"/r"}
	cfg.CredentialHeaders = []string{"X-Key"}
	cfg.Proxies.Prefixes = prefixes("10.0.0.0/8")
	cfg.ProbePaths = []string{"/p"}
	cfg.Extra = map[string]string{"X-Extra": "1"}
	cfg.Cookies.Prefix = map[string]string{"sid": "__Host-"}
	h := newHeaders(t, cfg)
	handler := h.Handler(setting("sid=1"))
	route, err := h.Route(func(c *headers.Config) { c.FrameOptions = "DENY" })
	require.NoError(t, err)
	before := answer(handler, over("https", "GET", "/")).Header

	cfg.AllowedHosts[0], cfg.CSP.Default[0], cfg.CSP.ReportURI[0] = "evil.example", "*", "/evil"
	cfg.CredentialHeaders[0], cfg.Proxies.Prefixes[0], cfg.ProbePaths[0] = "X-Other", netip.MustParsePrefix("192.0.2.0/24"), "/q"
	cfg.Extra["X-Extra"], cfg.Cookies.Prefix["sid"], cfg.Permissions["usb"] = "2", "x", []string{"*"}
	cfg.Remove[0] = "X-Extra"
	assert.Equal(t, before, answer(handler, over("https", "GET", "/")).Header)
	after := answer(h.Handler(route(setting("sid=1"))), over("https", "GET", "/")).Header
	before.Set("X-Frame-Options", "DENY")
	assert.Equal(t, before, after)
}

package headers_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func canonical(host string, change func(*headers.Config)) headers.Config {
	cfg := headers.Web("example.com", "www.example.com", "*.old.example", "example.com:8443", "www.example.com:8443", "www.example.com:9000", "localhost:*")
	cfg.CanonicalHost = host
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func TestCanonicalHost(t *testing.T) {
	apex, www := canonical("example.com", nil), canonical("www.example.com", nil)
	preload := canonical("example.com", func(c *headers.Config) { c.HSTS.Subdomains, c.HSTS.Preload = true, true })
	plain := canonical("example.com", func(c *headers.Config) { c.DangerouslyAllowHTTP = true })
	moved := canonical("example.com", func(c *headers.Config) { c.Redirect.Status, c.Redirect.Port = 301, 8443 })
	anyHost := canonical("example.com", func(c *headers.Config) { c.AllowedHosts, c.DangerouslyAnyHost = nil, true })
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	tests := []struct {
		desc   string
		cfg    headers.Config
		url    string
		method string
		header http.Header
		status int
		want   string
	}{
		{"www to apex", apex, "https://www.example.com/a/b?c=d", "GET", nil, 308, "https://example.com/a/b?c=d"},
		{"apex to www", www, "https://example.com/a", "HEAD", nil, 308, "https://www.example.com/a"},
		{"any allowed name", apex, "https://shop.old.example/", "GET", nil, 308, "https://example.com/"},
		{"the port stays", apex, "https://www.example.com:8443/", "GET", nil, 308, "https://example.com:8443/"},
		{"the default port goes", apex, "https://www.example.com:443/", "GET", nil, 308, "https://example.com/"},
		{"http to https at once", apex, "http://www.example.com/a", "GET", nil, 308, "https://example.com/a"},
		{"http to https at once, the reverse", www, "http://example.com/a", "GET", nil, 308, "https://www.example.com/a"},
		{"with status and port", moved, "http://www.example.com/a", "GET", nil, 301, "https://example.com:8443/a"},
		{"the status holds for https too", moved, "https://www.example.com/a", "GET", nil, 301, "https://example.com/a"},
		{"to https on the own host first for preload", preload, "http://www.example.com/a", "GET", nil, 308, "https://www.example.com/a"},
		{"then on", preload, "https://www.example.com/a", "GET", nil, 308, "https://example.com/a"},
		{"http stays where it is served", plain, "http://www.example.com:80/", "GET", nil, 308, "http://example.com/"},
		{"the port of the other scheme is one", plain, "http://www.example.com:443/", "GET", nil, 308, "http://example.com:443/"},
		{"any host", anyHost, "https://evil.example:99/", "GET", nil, 308, "https://example.com:99/"},
		{"a path that looks like a host", apex, "https://www.example.com//evil.example/%5Cx", "GET", nil, 308, "https://example.com//evil.example/%5Cx"},
		{"cookies go along", apex, "https://www.example.com/", "GET", header("Cookie", "a=b"), 308, "https://example.com/"},
		{"a proxy that passes Host on", apex, "https://www.example.com/", "GET", header("X-Forwarded-Host", "www.example.com"), 308, "https://example.com/"},

		{"there already", apex, "https://example.com/", "GET", nil, 200, ""},
		{"there, on another port", apex, "https://example.com:8443/", "GET", nil, 200, ""},
		{"there, in other letters", apex, "https://EXAMPLE.com./", "GET", nil, 200, ""},
		{"a port that it is not allowed on", apex, "https://www.example.com:9000/", "GET", nil, 200, ""},
		{"a form", apex, "https://www.example.com/", "POST", nil, 200, ""},
		{"a preflight", apex, "https://www.example.com/", "OPTIONS", header("Origin", "https://example.com"), 200, ""},
		{"a script of another origin", apex, "https://www.example.com/", "GET", header("Origin", "https://example.com"), 200, ""},
		{"a WebSocket", apex, "https://www.example.com/", "GET", header("Upgrade", "websocket"), 200, ""},
		{"a local name", apex, "https://localhost:8080/", "GET", nil, 200, ""},
		{"a local name over http", apex, "http://localhost:8080/", "GET", nil, 308, "https://localhost/"},
		{"a proxy that changes Host", apex, "https://www.example.com/", "GET", header("X-Forwarded-Host", "Example.com"), 200, ""},
		{"a proxy that changes Host, in RFC 7239", apex, "https://www.example.com/", "GET", header("Forwarded", `for=192.0.2.1;host="example.com:443";proto=https`), 200, ""},
		{"a proxy of another kind", apex, "https://www.example.com/", "GET", header("X-Original-Host", "example.com"), 200, ""},
		{"a foreign host", apex, "https://evil.example/", "GET", nil, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			h := newHeaders(t, tt.cfg)
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			r := over(u.Scheme, tt.method, u.RequestURI())
			r.Host = u.Host
			maps.Copy(r.Header, tt.header)
			if u.Hostname() == "localhost" {
				r.Header["Via"] = []string{"a proxy"}
			}
			resp := answer(h.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), r)
			assert.Equal(t, tt.status, resp.StatusCode)
			assert.Equal(t, tt.want, resp.Header.Get("Location"))
			assert.NotEmpty(t, resp.Header.Get("X-Content-Type-Options"))
			assert.Equal(t, u.Scheme == "https", resp.Header.Get("Strict-Transport-Security") != "")
			verdict, _ := h.Check(r)
			assert.Equal(t, tt.want, verdict.Location)
			if tt.status != 308 && tt.status != 301 {
				return
			}
			want := "redirect_https"
			if u.Scheme == "https" || strings.HasPrefix(tt.want, "http://") {
				want = "redirect_host"
			}
			assert.Equal(t, want, verdict.Action.String())
			for hops := 0; verdict.Action != headers.Serve; hops++ { // to the end
				require.Less(t, hops, 2)
				next, err := url.Parse(verdict.Location)
				require.NoError(t, err)
				r := over(next.Scheme, "GET", next.RequestURI())
				r.Host = next.Host
				if verdict, err = h.Check(r); next.Port() == "" || next.Port() == "8443" {
					require.NoError(t, err)
				}
			}
		})
	}
}

func TestAProbeIsNotSentToTheCanonicalHost(t *testing.T) {
	h := newHeaders(t, canonical("example.com", func(c *headers.Config) { c.ProbePaths = []string{"/healthz"} }))
	r := over("https", "GET", "/healthz")
	r.Host = "www.example.com"
	verdict, err := h.Check(r)
	require.NoError(t, err)
	assert.Equal(t, headers.Serve, verdict.Action)
}

func TestARedirectToTheCanonicalHostIsNoScriptsInACache(t *testing.T) {
	h := newHeaders(t, canonical("example.com", nil))
	r := over("https", "GET", "/")
	r.Host = "www.example.com"
	w := httptest.NewRecorder()
	h.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	assert.Equal(t, http.StatusPermanentRedirect, w.Code)
	assert.Equal(t, []string{"Origin"}, w.Header()["Vary"])
}

func TestALocalClientIsNotSentToTheCanonicalHost(t *testing.T) {
	h := newHeaders(t, canonical("example.com", nil))
	r := over("http", "GET", "/")
	r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:5"
	verdict, err := h.Check(r)
	require.NoError(t, err)
	assert.Equal(t, headers.Serve, verdict.Action)
}

func TestCanonicalHostMistakes(t *testing.T) {
	for want, change := range map[string]func(*headers.Config){
		"": func(*headers.Config) {},
		`CanonicalHost: invalid: "https://example.com"`: func(c *headers.Config) { c.CanonicalHost = "https://example.com" },
		`CanonicalHost: invalid: "Example.com"`:         func(c *headers.Config) { c.CanonicalHost = "Example.com" },
		`CanonicalHost: invalid: "example.com:8443"`:    func(c *headers.Config) { c.CanonicalHost = "example.com:8443" },
		`CanonicalHost: invalid: "*.old.example"`:       func(c *headers.Config) { c.CanonicalHost = "*.old.example" },
		`CanonicalHost: conflict: "else.example"`:       func(c *headers.Config) { c.CanonicalHost = "else.example" },
		`CanonicalHost: conflict: "example.com"`:        func(c *headers.Config) { c.Redirect.Port = 9000 },
		`Redirect.Host: conflict: "www.example.com"`:    func(c *headers.Config) { c.Redirect.Host = "www.example.com" },
		`CanonicalHost: pointless: "example.com"`:       func(c *headers.Config) { c.AllowedHosts = []string{"example.com"} },
		`CanonicalHost: conflict: "example.com" `:       func(c *headers.Config) { c.AllowedHosts = []string{"a.example", "example.com:8443"} },
		`CanonicalHost: conflict: "else.example" `:      func(c *headers.Config) { c.CanonicalHost, c.Redirect.Off = "else.example", true },
		" ": func(c *headers.Config) {
			c.AllowedHosts, c.DangerouslyAllowHTTP = []string{"a.example:80", "example.com:8443"}, true
		},
		"  ": func(c *headers.Config) { c.CanonicalHost = "shop.old.example" },
	} {
		_, err := headers.New(canonical("example.com", change))
		assert.Equal(t, strings.TrimSpace(want), conferrtest.Text(err))
	}
}

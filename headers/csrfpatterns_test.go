package headers_test

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

func TestTrustedOriginsMayBePatterns(t *testing.T) {
	c := newCSRF(t, headers.CSRFConfig{TrustedOrigins: []string{"https://*.shop.example", "https://*.dev.example:*", "http://localhost:*", "https://*.x.example:8443"}})
	for origin, want := range map[string]bool{
		"https://a.shop.example":         true,
		"https://a.b.shop.example":       true,
		"https://a.dev.example":          true,
		"https://a.dev.example:8443":     true,
		"http://localhost":               true,
		"http://localhost:3000":          true,
		"https://a.x.example:8443":       true,
		"https://a.x.example":            false,
		"https://shop.example":           false,
		"https://evilshop.example":       false,
		"https://a.shop.example:444":     false,
		"http://a.shop.example":          false,
		"https://localhost:3000":         false,
		"https://a.shop.example.evil":    false,
		"https://evil#.shop.example":     false,
		"https://me@a.shop.example":      false,
		"https://a.shop.example/":        false,
		"https://A.shop.example":         false,
		"https://.shop.example":          false,
		"null":                           false,
		"https://a.shop.example, null":   false,
		"https://api.example.com.":       false,
		"https://[::1].shop.example":     false,
		"https://evil.shop.example:443":  false,
		"https://*.shop.example":         false,
		"chrome-extension://localhost:1": false,
	} {
		for _, site := range []string{"", "cross-site"} {
			r := over("https", "POST", "/")
			r.Header.Set("Origin", origin)
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			assert.Equal(t, want, c.Check(r) == nil, "%s %s", origin, site)
		}
	}
}

func TestAnExemptPatternNeverCoversAPathThatReadsInTwoWays(t *testing.T) {
	c := newCSRF(t, headers.CSRFConfig{DangerouslyExempt: []string{"/hooks/", "POST /call/{name}", "/{$}"}})
	for path, exempt := range map[string]bool{
		"/hooks/x": true, "/hooks/": true, "/hooks/a.b": true, "/hooks/.well-known/x": true, "/hooks/...": true, "/call/a%20b": true, "/call/%C3%BC": true,
		"/hooks/a;v=1": true, "/call/100%25": true, "/call/%2525": true, "/": true, "/hooks/25e": true,

		"/hooks/%2e%2e/admin": false, "/hooks/%2E%2E/admin": false, "/hooks/.%2e/admin": false, "/hooks/%2e": false, "/call/a%2eb": false,
		"/hooks/..%2fadmin": false, "/hooks/..%2Fadmin": false, "/call/a%2fb": false, "/call/a%5cb": false, "/call/a%5Cb": false, `/call/a\b`: false,
		`/hooks/..\admin`: false, "/hooks/%252e%252e/admin": false, "/hooks/%25252e./admin": false, "/hooks/a%252fb": false, "/hooks/a%255Cb": false,
		"/hooks//admin": false, "/hooks/../admin": false, "/hooks/./admin": false, "/hooks/..": false, "/hooks/.": false, "/hooks/..;/admin": false, "/hooks/..;x=1/admin": false,
		"/hooks/%c0%ae%c0%ae/admin": false, "/%2e": false, "/hooks/%2e.;/x": false, "//hooks/x": false,
	} {
		r := httptest.NewRequest("POST", "https://api.example.com/", nil)
		target, err := url.ParseRequestURI(path) // as net/http reads it
		require.NoError(t, err)
		r.URL = target
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		assert.Equal(t, exempt, c.Check(r) == nil, path)
	}
}

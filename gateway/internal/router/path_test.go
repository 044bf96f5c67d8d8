package router_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/router"
	"github.com/stretchr/testify/assert"
)

func TestUpstreamPathsAreAsKongDocumentsThem(t *testing.T) {
	for _, c := range []struct {
		service, route string
		strip          bool
		handling       string
		request, want  string
	}{
		// The table of Kong's Admin API reference.
		{"/s", "/fv0", false, "v0", "/fv0req", "/s/fv0req"},
		{"/s", "/fv1", false, "v1", "/fv1req", "/s/fv1req"},
		{"/s", "/tv0", true, "v0", "/tv0req", "/s/req"},
		{"/s", "/tv1", true, "v1", "/tv1req", "/sreq"},
		{"/s", "/fv0/", false, "v0", "/fv0/req", "/s/fv0/req"},
		{"/s", "/fv1/", false, "v1", "/fv1/req", "/s/fv1/req"},
		{"/s", "/tv0/", true, "v0", "/tv0/req", "/s/req"},
		{"/s", "/tv1/", true, "v1", "/tv1/req", "/sreq"},
		// Without a service path, and where slashes meet.
		{"", "/api/", true, "v0", "/api/public/", "/public/"},
		{"", "/api/", true, "v0", "/api/", "/"},
		{"", "/api", true, "v0", "/api", "/"},
		{"", "/api", false, "v0", "/api", "/api"},
		{"/s", "/api", true, "v0", "/api", "/s"},
		{"/s", "/api/", true, "v0", "/api/", "/s/"},
		{"/s/", "/api", true, "v0", "/api", "/s"},
		{"/s/", "/api/", true, "v0", "/api/", "/s/"},
		{"/s/", "/api", true, "v0", "/api/x", "/s/x"},
		{"/s/", "/api", false, "v0", "/api/x", "/s/api/x"},
		{"/s", "/", false, "v0", "/", "/s"},
		{"/s/", "/", false, "v0", "/", "/s/"},
		// A prefix that ends inside a segment must not let a dot segment appear.
		{"/s", "/api", true, "v0", "/api../secret", "/s/secret"},
		{"/s/", "/api", true, "v1", "/api../secret", "/s/secret"},
		{"/s", "/api", true, "v0", "/api..", "/s"},
	} {
		r := conf.NewRoute()
		r.StripPath, r.PathHandling = c.strip, c.handling
		assert.Equal(t, c.want, router.Upstream(c.service, r, len(c.route), c.request), "%+v", c)
	}
}

func TestAPathHasOneForm(t *testing.T) {
	for in, want := range map[string]string{
		"/":            "/",
		"/a/b":         "/a/b",
		"/a//b":        "/a/b",
		"//a":          "/a",
		"/a/./b":       "/a/b",
		"/a/../b":      "/b",
		"/../../b":     "/b",
		"/a/..":        "/",
		"/a/b/..":      "/a/",
		"/a/.":         "/a/",
		"/a/%2e%2e/b":  "/b",
		"/%61%70%69/x": "/api/x",
		"/a%2fb":       "/a%2Fb",
		"/a%2f..%2fb":  "/a%2F..%2Fb",
		"/caf%c3%a9":   "/caf%C3%A9",
		"/a.b/.c":      "/a.b/.c",
		"/a/...":       "/a/...",
		"/%":           "/%",
		"/a/b/":        "/a/b/",
		"/a/%2E/":      "/a/",
	} {
		assert.Equal(t, want, router.Normalize(in), in)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/%2F//x", "/a/%2e", "/a;b/..;/c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u := &url.URL{Path: s}
		path := u.EscapedPath()
		if !strings.HasPrefix(path, "/") {
			return
		}
		n := router.Normalize(path)
		if !strings.HasPrefix(n, "/") || strings.Contains(n, "//") || strings.Contains(n+"/", "/../") || strings.Contains(n+"/", "/./") {
			t.Fatalf("%q becomes %q", path, n)
		}
		if again := router.Normalize(n); again != n {
			t.Fatalf("%q becomes %q, then %q", path, n, again)
		}
	})
}

package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/server"
)

func said(what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, what, " ", r.URL.Path) })
}

func TestAnAdminServesOperatorsAndNoPageInTheirBrowsers(t *testing.T) {
	a, err := server.NewAdmin(server.AdminConfig{
		Health: newHealth(t, server.HealthConfig{Version: "v1"}), Metrics: said("metrics"), Hosts: []string{"Node1.internal"},
		Handlers: map[string]http.Handler{"/debug/pprof/": said("pprof"), "/debug/pprof/profile": said("profile")},
	})
	require.NoError(t, err)
	for desc, tt := range map[string]struct {
		method, host, path, site string
		status                   int
		body                     string
	}{
		"live":                           {"GET", "127.0.0.1:6060", "/livez", "", 200, `{"status":"ok"}` + "\n"},
		"ready":                          {"GET", "localhost:6060", "/readyz", "", 200, `{"status":"ok"}` + "\n"},
		"detail":                         {"GET", "[::1]:6060", "/health", "", 200, `{"status":"ok","version":"v1"}` + "\n"},
		"metrics by a name that is set":  {"GET", "node1.INTERNAL.:6060", "/metrics", "none", 200, "metrics /metrics"},
		"an address without a port":      {"GET", "[fe80::1]", "/metrics", "same-origin", 200, "metrics /metrics"},
		"a handler's path":               {"GET", "10.0.0.7", "/debug/pprof/profile", "", 200, "profile /debug/pprof/profile"},
		"below a handler's path":         {"GET", "localhost", "/debug/pprof/heap", "", 200, "pprof /debug/pprof/heap"},
		"HEAD":                           {"HEAD", "localhost", "/livez", "", 200, ""},
		"POST":                           {"POST", "localhost", "/debug/pprof/symbol", "", 405, ""},
		"OPTIONS":                        {"OPTIONS", "localhost", "/metrics", "", 405, ""},
		"no such path":                   {"GET", "localhost", "/x", "", 404, ""},
		"a name that a page's site has":  {"GET", "rebound.example:6060", "/health", "same-origin", 421, ""},
		"a name that begins as another":  {"GET", "localhost.example", "/health", "", 421, ""},
		"no host":                        {"GET", "", "/health", "", 421, ""},
		"a request of another site":      {"GET", "127.0.0.1:6060", "/debug/pprof/profile", "cross-site", 403, ""},
		"a request of another subdomain": {"GET", "localhost", "/metrics", "same-site", 403, ""},
	} {
		t.Run(desc, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, nil)
			r.Host = tt.host
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
			if tt.status < 400 {
				assert.Equal(t, tt.body, w.Body.String())
			} else {
				assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			}
			assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			assert.Equal(t, "same-origin", w.Header().Get("Cross-Origin-Resource-Policy"))
			assert.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
		})
	}
	w := httptest.NewRecorder()
	new(server.Admin).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/livez", nil))
	assert.Equal(t, 421, w.Code, "the zero value refuses")
}

func TestNewAdminReportsEveryMistake(t *testing.T) {
	h := newHealth(t, server.HealthConfig{})
	_, err := server.NewAdmin(server.AdminConfig{
		Health: h, Hosts: []string{"a:1", ""},
		Handlers: map[string]http.Handler{"/livez": said(""), "/{": said(""), "/nil": nil, "x": said(""), "y.example/z": said("")},
	})
	assert.Equal(t, "Handlers: invalid: \"/livez\"\nHandlers: missing: \"/nil\"\nHandlers: invalid: \"/{\"\nHandlers: invalid: \"x\"\nHandlers: invalid: \"y.example/z\"\nHosts: invalid: \"a:1\"\nHosts: invalid", conferrtest.Text(err))
	_, err = server.NewAdmin(server.AdminConfig{})
	assert.Equal(t, "Health: missing", conferrtest.Text(err))
}

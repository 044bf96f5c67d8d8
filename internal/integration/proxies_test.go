package integration_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
)

// TestTheRecipesForProxies holds docs/scaling.md to what each proxy sends for a client at
// 198.51.100.7 that speaks https and claims to be 127.0.0.1.
func TestTheRecipesForProxies(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	const client, claim = "198.51.100.7", "127.0.0.1"
	h := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Add(pairs[i], pairs[i+1])
		}
		return header
	}
	for _, tt := range []struct {
		desc    string
		proxies rampart.Proxies
		header  http.Header
	}{
		{"nginx, as in examples/api/deploy", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", client, "X-Forwarded-Proto", "https")},
		{"nginx with $proxy_add_x_forwarded_for", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", claim+", "+client, "X-Forwarded-Proto", "https")},
		{"HAProxy, as in examples/api/deploy", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", client, "X-Forwarded-Proto", "https")},
		{"HAProxy with option forwardfor", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", claim, "X-Forwarded-For", client, "X-Forwarded-Proto", "https")},
		{"Caddy", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", client, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com")},
		{"AWS ALB", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", claim+", "+client, "X-Forwarded-Proto", "https", "X-Forwarded-Port", "443", "X-Amzn-Trace-Id", "Root=1-0")},
		{"Cloud Run", rampart.Proxies{Hops: 1}, h("X-Forwarded-For", claim+","+client, "X-Forwarded-Proto", "https", "Forwarded", `for="198.51.100.7";proto=https`)},
		{"Google's external load balancer before Cloud Run", rampart.Proxies{Hops: 2}, h("X-Forwarded-For", claim+","+client+",203.0.113.1", "X-Forwarded-Proto", "https", "Via", "1.1 google")},
		{"Heroku", rampart.Proxies{Hops: 1}, h("X-Forwarded-For", claim+", "+client, "X-Forwarded-Proto", "https", "X-Forwarded-Port", "443", "X-Request-Start", "1", "Via", "1.1 heroku-router")},
		{"Fly", rampart.Proxies{Hops: 1, ClientHeader: "Fly-Client-IP"}, h("X-Forwarded-For", claim+", "+client+", 203.0.113.2", "Fly-Client-Ip", client, "X-Forwarded-Proto", "https", "X-Forwarded-Ssl", "on", "X-Forwarded-Port", "443")},
		{"Cloudflare before nginx", rampart.Proxies{Prefixes: own, ClientHeader: "CF-Connecting-IP"}, h("X-Forwarded-For", "203.0.113.3", "Cf-Connecting-Ip", client, "Cf-Visitor", `{"scheme":"https"}`, "X-Forwarded-Proto", "https")},
		{"ingress-nginx", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", client, "X-Real-Ip", client, "X-Forwarded-Proto", "https", "X-Forwarded-Scheme", "https", "X-Scheme", "https", "X-Forwarded-Host", "api.example.com", "X-Forwarded-Port", "443")},
		{"Traefik", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", client, "X-Real-Ip", client, "X-Forwarded-Proto", "https", "X-Forwarded-Server", "node", "X-Forwarded-Host", "api.example.com")},
		{"Envoy with use_remote_address", rampart.Proxies{Prefixes: own}, h("X-Forwarded-For", claim+","+client, "X-Forwarded-Proto", "https", "X-Envoy-External-Address", client)},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			ask := func(method string, proxies rampart.Proxies) (*httptest.ResponseRecorder, string) {
				cfg := headers.API("api.example.com")
				cfg.Proxies, cfg.Logger = proxies, slog.New(slog.DiscardHandler)
				browser, err := headers.New(cfg)
				require.NoError(t, err)
				clients, err := server.NewClientIP(proxies)
				require.NoError(t, err)
				seen := ""
				handler := rampart.Stack{ClientIP: clients.Handler, Headers: browser.Handler}.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					addr, _ := rampart.ClientAddrFrom(r.Context())
					seen = addr.String()
				}))
				r := httptest.NewRequest(method, "http://api.example.com/x", nil)
				r.RemoteAddr, r.Header = "10.0.0.5:4711", tt.header.Clone()
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w, seen
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				w, seen := ask(method, tt.proxies)
				assert.Equal(t, http.StatusOK, w.Code)
				assert.Equal(t, client, seen)
				assert.NotEmpty(t, w.Header().Get("Strict-Transport-Security"))

				w, _ = ask(method, rampart.Proxies{})
				assert.Equal(t, http.StatusForbidden, w.Code, "no loop")
				assert.Contains(t, w.Body.String(), "does not trust")
			}
		})
	}
}

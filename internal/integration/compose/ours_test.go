package compose_test

import (
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

const (
	origin  = "https://app.example" // the one that may read
	maxBody = 8 << 20
)

// protections are what every answer of ours has, once.
var protections = []string{ // read-only
	"X-Request-Id", "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy",
	"Strict-Transport-Security", "Permissions-Policy", "Cross-Origin-Resource-Policy", "Access-Control-Allow-Origin", "Vary",
}

// ours returns every layer in its place. Only the path /members needs a caller, and
// only /limited has a limit that is soon used up.
func ours(t *testing.T) layer {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	id, err := server.NewRequestID(server.RequestIDConfig{})
	require.NoError(t, err)
	clients, err := server.NewClientIP(rampart.Proxies{})
	require.NoError(t, err)
	browserConfig := headers.API("127.0.0.1:*")
	browserConfig.Logger = log
	browser, err := headers.New(browserConfig)
	require.NoError(t, err)
	share, err := cors.New(cors.Config{
		Origins: []string{origin}, Credentials: true, Methods: []string{"PUT"}, RequestHeaders: []string{"Content-Type"},
		ResponseHeaders: []string{"X-Request-ID"}, Logger: log,
	})
	require.NoError(t, err)
	edge, err := throttle.New(throttle.Config{Logger: log, Policies: []throttle.Policy{
		{Name: "ip", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Key: throttle.ByIP(clients.Addr)},
		{
			Name: "limited", Rate: throttle.Rate{Count: 1, Period: time.Hour}, Key: throttle.ByIP(func(*http.Request) netip.Addr { return netip.IPv6Loopback() }),
			Match: func(r *http.Request) bool { return r.URL.Path == "/limited" },
		},
	}})
	require.NoError(t, err)
	key, err := auth.NewKey(auth.HS256, "", make([]byte, 32))
	require.NoError(t, err)
	keys, err := auth.NewKeys(key)
	require.NoError(t, err)
	verifier, err := auth.NewVerifier(auth.VerifierConfig{Keys: keys, Issuer: "*", Audiences: []string{"*"}, Logger: log})
	require.NoError(t, err)
	guard, err := sanitize.NewGuard(sanitize.GuardConfig{Limits: sanitize.Limits{MaxBody: maxBody}, Logger: log})
	require.NoError(t, err)
	members := func(next http.Handler) http.Handler {
		checked := verifier.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/members" {
				checked.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	return rampart.Stack{
		RequestID: id.Handler, ClientIP: clients.Handler, Headers: browser.Handler, CORS: share.Handler,
		Edge: edge.Handler, Credential: members, Guard: guard.Handler,
	}.Handler
}

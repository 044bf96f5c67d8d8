package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/gateway"
	"github.com/ecolaura/rampart/sanitize"
)

const attacked = `_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM
    routes: # each for this machine's name only
      - {name: public, hosts: [127.0.0.1], paths: [/public], strip_path: false}
      - name: partner
        paths: [/partner]
        strip_path: false
        hosts: [127.0.0.1]
        plugins: [{name: key-auth, config: {hide_credentials: true, key_in_query: false}}]
      - name: secure
        paths: [/secure]
        strip_path: false
        hosts: [127.0.0.1]
        protocols: [https]
        plugins: [{name: jwt, config: &bearer {uri_param_names: [], key_claim_name: iss}}]
      - name: staff
        paths: [/staff, /write]
        strip_path: false
        hosts: [127.0.0.1]
        plugins: [{name: jwt, config: *bearer}, {name: acl, config: {allow: [staff]}}]
      - name: limited
        paths: [/limited]
        strip_path: false
        hosts: [127.0.0.1]
        plugins: [{name: rate-limiting, config: {hour: 10, limit_by: ip, header_style: kong}}]
      - name: metered
        paths: [/metered]
        strip_path: false
        hosts: [127.0.0.1]
        plugins:
          - {name: key-auth}
          - {name: rate-limiting, config: {hour: 10}}
      - name: planned
        paths: [/planned]
        strip_path: false
        hosts: [127.0.0.1]
        plugins:
          - {name: jwt, config: *bearer}
          - {name: usage-plan, config: {quota_day: 10}}
plugins:
  - {name: security-headers}
  - {name: cors, config: {origins: ["https://shop.example"], methods: [GET, POST]}}
  - {name: ip-restriction, config: {deny: [203.0.113.0/24]}}
  - {name: request-size-limiting, config: {allowed_payload_size: 1}}
  - {name: correlation-id, config: {echo_downstream: true, trust_clients: true}}
  - {name: prometheus, config: {per_consumer: true}}
consumers:
  - username: alice
    keyauth_credentials: [{key: alice-key-0123456789}]
    jwt_secrets: [{key: alice, secret: alice-secret-of-more-than-32-bytes}]
    acls: [{group: staff}]
  - username: bob
    keyauth_credentials: [{key: bob-key-0123456789abc}]
    jwt_secrets: [{key: bob, secret: bobs-secret-of-more-than-32-bytes}]
  - username: carol
    jwt_secrets: [{key: carol, secret: carols-secret-of-more-than-32-bytes}]
  - username: dave # who leaves before the attack
    keyauth_credentials: [{key: daves-key-0123456789}]
`

// strict is an API that looks at the bodies that the gateway lets through, for
// JSON is not the gateway's to judge. most becomes the length of the longest.
func strict(t *testing.T, most *atomic.Int64) *httptest.Server {
	t.Helper()
	type note struct {
		Note string `json:"note" validate:"required"`
	}
	notes, err := sanitize.NewBinder[note](sanitize.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	hello := func(w http.ResponseWriter, who string) { // an echo would show what attacks send
		_, _ = w.Write([]byte(`{"message":"Hello, ` + who + `."}`))
	}
	write := notes.Handler(func(w http.ResponseWriter, _ *http.Request, _ note) { hello(w, "writer") })
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/write") {
			hello(w, r.Header.Get("X-Consumer-Username"))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for seen := most.Load(); int64(len(body)) > seen && !most.CompareAndSwap(seen, int64(len(body))); seen = most.Load() {
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		write.ServeHTTP(w, r)
	}))
	t.Cleanup(up.Close)
	return up
}

// TestNoKnownAttackGetsThrough leaves out what a gateway has no part in: log-in
// and refresh of sessions, one customer's things, HTML, files, and what a body or
// query means.
func TestNoKnownAttackGetsThrough(t *testing.T) {
	t.Parallel() // most of it is waiting
	var longest atomic.Int64
	var access, log logBuffer
	url, admin := serve(t, gateway.Config{
		AccessLog: &access, Logger: slog.New(slog.NewJSONHandler(&log, nil)), BodyTimeout: 3 * time.Second,
		Proxies: rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}, strings.ReplaceAll(attacked, "UPSTREAM", strict(t, &longest).URL))
	require.Equal(t, 204, do(t, "DELETE", "http://"+admin+"/consumers/dave", "").status)
	bearer := func(who attack.Account, until time.Duration) string {
		return token(who.Password, fmt.Sprintf(`{"iss":%q,"sub":%[1]q,"exp":%d}`, who.Name, time.Now().Add(until).Unix()))
	}
	alice, bob := attack.Account{Name: "alice", Password: "alice-secret-of-more-than-32-bytes"}, attack.Account{Name: "bob", Password: "bobs-secret-of-more-than-32-bytes"}
	carol := attack.Account{Name: "carol", Password: "carols-secret-of-more-than-32-bytes"}
	findings, err := attack.Scan(t.Context(), attack.Target{
		URL:    "http://" + url,
		Header: http.Header{"X-Forwarded-Proto": {"https"}},
		Login: func(_ context.Context, _ *attack.Client, who attack.Account) (attack.Session, error) {
			if who != alice && who != bob && who != carol {
				return attack.Session{}, &attack.StatusError{Status: http.StatusUnauthorized}
			}
			return attack.Session{Access: bearer(who, time.Hour)}, nil // signed elsewhere
		},
		Alice: alice, Bob: bob,
		Public:  "/public",
		Secure:  "/secure",
		Expired: bearer(bob, -time.Hour),
		Scoped:  []attack.Request{{Path: "/staff"}, {Method: http.MethodPost, Path: "/write", Body: `{"note":"x"}`}},
		Write:   attack.Request{Path: "/write", Body: `{"note":"x"}`},
		Origins: []string{"https://shop.example"},
		KeyPath: "/partner", Key: "alice-key-0123456789", KeyHeader: "apikey", EndedKeys: []string{"daves-key-0123456789"},
		Limits: []attack.Limit{
			{Name: "by address", Request: attack.Request{Path: "/limited"}, Count: 10},
			{Name: "by key", Request: attack.Request{Path: "/metered", Header: map[string][]string{"Apikey": {"bob-key-0123456789abc"}}}, Count: 10, Keyed: true},
			{Name: "by token", Request: attack.Request{Path: "/planned"}, Count: 10, As: &carol, Keyed: true},
		},
		PlainHTTP:   http.Header{"X-Forwarded-Proto": {"http"}},
		ProxyHeader: "X-Forwarded-For",
		Blocked:     []attack.Blocked{{Addr: netip.MustParseAddr("203.0.113.9")}},
		RequestID:   "X-Request-ID",
		Log:         func() string { return log.String() + access.String() },
		Timeouts:    40 * time.Second, // more than the 5 s for a header and the 3 s for a part of a body, on a slow machine too
	})
	require.NoError(t, err)
	for _, f := range findings {
		t.Errorf("%s\n%s", f, f.Request)
	}
	assert.LessOrEqual(t, longest.Load(), int64(1<<20), "the upstream never sees a longer body")
	assert.Positive(t, longest.Load())
}

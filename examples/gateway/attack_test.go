package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
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
      - name: limited
        paths: [/limited]
        strip_path: false
        hosts: [127.0.0.1]
        plugins: [{name: rate-limiting, config: {hour: 10, limit_by: ip}}]
      - name: metered
        paths: [/metered]
        strip_path: false
        hosts: [127.0.0.1]
        plugins:
          - {name: key-auth}
          - {name: rate-limiting, config: {hour: 10}}
plugins:
  - {name: security-headers}
  - {name: cors, config: {origins: ["https://shop.example"], methods: [GET, POST]}}
  - {name: ip-restriction, config: {deny: [203.0.113.0/24]}}
  - {name: request-size-limiting, config: {allowed_payload_size: 1}}
`

func TestNoKnownAttackGetsThrough(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"message":"Hello."}`)) // an echo would show what attacks send
	}))
	defer plain.Close()
	e := start(t, strings.ReplaceAll(attacked, "UPSTREAM", plain.URL)+people, func(s *settings) { s.trusted = append(s.trusted, netip.MustParsePrefix("127.0.0.0/8")) })
	findings, err := attack.Scan(t.Context(), attack.Target{
		Handler: e.g.handler,
		Public:  "/public",
		Origins: []string{"https://shop.example"},
		KeyPath: "/partner", Key: "alice-key-0123456789", KeyHeader: "apikey",
		Limits: []attack.Limit{
			{Name: "by address", Request: attack.Request{Path: "/limited"}, Count: 10},
			{Name: "by key", Request: attack.Request{Path: "/metered", Header: map[string][]string{"Apikey": {"bob-key-0123456789abc"}}}, Count: 10, Keyed: true},
		},
		ProxyHeader: "X-Forwarded-For",
		Blocked:     []attack.Blocked{{Addr: netip.MustParseAddr("203.0.113.9")}},
		RequestID:   "X-Request-ID",
		Log:         func() string { return e.log.String() + e.access.String() },
	})
	require.NoError(t, err)
	for _, f := range findings {
		t.Errorf("%s\n%s", f, f.Request)
	}
}

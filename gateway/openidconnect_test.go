package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trusting is a gateway with openid-connect; it waits for the issuer's keys.
func trusting(t *testing.T, issuer, more string) *edge {
	t.Helper()
	e := start(t, one("  - {name: openid-connect, config: {issuer: \""+issuer+"\", auth_methods: [bearer], audience_required: [shop-api], "+more+"}}\n")+people)
	require.Eventually(t, func() bool { return e.get("/api").status != 503 }, 20*time.Second, 5*time.Millisecond)
	return e
}

func TestOpenIDConnectTakesAnIssuersAccessTokens(t *testing.T) {
	is := authtest.NewIssuer(t)
	e := trusting(t, is.URL(authtest.Keycloak), "profile: keycloak, hide_credentials: true, consumer_claim: [preferred_username], upstream_headers_claims: [azp, none], upstream_headers_names: [X-App, X-None]")
	alice := map[string]any{"preferred_username": "alice"}
	r := e.get("/api", "Authorization: Bearer "+is.Token(authtest.Keycloak, authtest.Access, alice), "X-App: forged", "X-None: forged")
	require.Equal(t, 200, r.status, r.body)
	assert.Equal(t, "alice", r.sent(t, "X-Consumer-Username"))
	assert.Contains(t, r.sent(t, "X-Credential-Identifier"), "openid-connect/")
	assert.NotContains(t, r.sent(t, "X-App"), "forged")
	assert.NotEmpty(t, r.sent(t, "X-App"))
	assert.Empty(t, r.sent(t, "X-None"))
	assert.Empty(t, r.sent(t, "Authorization"))

	missing := e.get("/api")
	assert.Equal(t, 401, missing.status)
	assert.Equal(t, "Bearer", strings.Fields(missing.header.Get("WWW-Authenticate"))[0])
	for name, token := range map[string]string{
		"of nobody":        is.Token(authtest.Keycloak, authtest.Access, map[string]any{"preferred_username": "stranger"}),
		"another API's":    is.Token(authtest.Keycloak, authtest.Access, alice, map[string]any{"aud": "other"}),
		"expired":          is.Token(authtest.Keycloak, authtest.Access, alice, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}),
		"another issuer's": authtest.NewIssuer(t).Token(authtest.Keycloak, authtest.Access, alice),
		"no token":         "x",
	} {
		status := e.get("/api", "Authorization: Bearer "+token).status
		if name == "of nobody" {
			assert.Equal(t, 403, status, name)
			continue
		}
		assert.Equal(t, 401, status, name)
	}
	for _, sort := range authtest.Sorts() {
		if sort != authtest.Access {
			assert.Equal(t, 401, e.get("/api", "Authorization: Bearer "+is.Token(authtest.Keycloak, sort, alice)).status, sort)
		}
	}
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/consumers/alice", "").status)
	assert.Equal(t, 403, e.get("/api", "Authorization: Bearer "+is.Token(authtest.Keycloak, authtest.Access, alice)).status, "a change of consumers is seen at once, and the keys stay")
}

func TestOpenIDConnectAsksForScopes(t *testing.T) {
	is := authtest.NewIssuer(t)
	e := trusting(t, strings.TrimSuffix(is.URL(authtest.Auth0), "/")+"/.well-known/openid-configuration", `scopes_required: ["a b", c], leeway: 30, profile: auth0, scopes_claim: [scope]`)
	for scope, status := range map[string]int{"a b": 200, "c": 200, "a": 403, "b d": 403, "": 403, "a b c": 200} {
		r := e.get("/api", "Authorization: Bearer "+is.Token(authtest.Auth0, authtest.Access, map[string]any{"scope": scope, "permissions": nil}))
		assert.Equal(t, status, r.status, "%s: %s", scope, r.body)
	}
	e = trusting(t, is.URL(authtest.RFC9068), "anonymous: nobody")
	assert.Equal(t, "nobody", e.get("/api", "Authorization: Bearer x").sent(t, "X-Consumer-Username"))
	assert.Equal(t, 200, e.get("/api", "Authorization: Bearer "+is.Token(authtest.RFC9068, authtest.Access)).status)
}

func TestAnIssuerThatIsDownKeepsNoConfigurationAway(t *testing.T) {
	is := authtest.NewIssuer(t)
	var up atomic.Bool
	var base string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/jwks") {
			is.ServeHTTP(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"issuer":"` + base + `","jwks_uri":"` + is.KeysURL() + `"}`))
	}))
	t.Cleanup(s.Close)
	base = s.URL
	e := start(t, one("  - {name: openid-connect, config: {issuer: \""+base+"\", auth_methods: [bearer], audience_required: [shop-api]}}\n"))
	assert.Equal(t, 503, e.get("/api").status)
	assert.Equal(t, 503, e.get("/api", "Authorization: Bearer "+is.Token(authtest.RFC9068, authtest.Access)).status)
	up.Store(true)
	require.Eventually(t, func() bool { return e.get("/api").status == 401 }, 20*time.Second, 20*time.Millisecond)
	assert.Equal(t, 200, e.get("/api", "Authorization: Bearer "+is.Token(authtest.RFC9068, authtest.Access, map[string]any{"iss": base})).status)
}

func TestOpenIDConnectRefusesWhatItWouldNotHeed(t *testing.T) {
	e := start(t, one(""))
	good := []string{"name", "openid-connect", "config.issuer", "https://id.example", "config.auth_methods", "bearer", "config.audience_required", "api"}
	for _, c := range [][]string{
		{"config.issuer", "http://id.example", "config.issuer"},
		{"config.issuer", "", "config.issuer"},
		{"config.auth_methods", "password", "only bearer tokens"},
		{"config.auth_methods", "", "only bearer tokens"},
		{"config.audience_required", "*", "the name of this API"},
		{"config.client_id", "x", "unknown field"},
		{"config.scopes_required", " ", "a scope"},
		{"config.leeway", "301", "from 0 to 300"},
		{"config.profile", "x", "must be one of"},
		{"config.bearer_token_param_type", "query", "from its header alone"},
		{"config.upstream_headers_names", "X-Consumer-ID", "does not write by itself"},
		{"config.consumer_by", "x", "id, username or custom_id"},
		{"config.ssl_verify", "false", "unknown field"},
		{"config.anonymous", "x", "no consumer"},
	} {
		form := append([]string{}, good...)
		set := false
		for i := 0; i < len(form); i += 2 {
			if form[i] == c[0] {
				form[i+1], set = c[1], true
			}
		}
		if !set {
			form = append(form, c[0], c[1])
		}
		r := e.form("POST", "/plugins", form...)
		assert.Equal(t, 400, r.status, c)
		assert.Contains(t, r.body, c[2], c)
	}
}

package auth_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// profile is a way to take a vendor's tokens.
type profile struct {
	desc     string
	vendor   authtest.Vendor
	tokens   auth.VerifierConfig
	template bool // the issuer is that of all tenants
}

func profiles() []profile {
	return []profile{
		{"RFC 9068", authtest.RFC9068, auth.RFC9068(), false},
		{"Keycloak", authtest.Keycloak, auth.Keycloak(), false},
		{"Auth0", authtest.Auth0, auth.Auth0(), false},
		{"Auth0, RFC 9068", authtest.Auth0RFC9068, auth.Auth0(), false},
		{"Entra v2", authtest.Entra, auth.Entra(), false},
		{"Entra v2, {tenantid}", authtest.Entra, auth.Entra(), true},
		{"Entra v1", authtest.EntraV1, auth.EntraV1(), false},
		{"Entra v1, {tenantid}", authtest.EntraV1, auth.EntraV1(), true},
		{"Okta", authtest.Okta, auth.Okta(), false},
		{"Cognito", authtest.Cognito, auth.Cognito(), false},
		{"Google", authtest.Google, auth.Google(authtest.Domain), false},
		{"GitHub Actions", authtest.GitHubActions, auth.GitHubActions(authtest.Owner), false},
		{"Kubernetes", authtest.Kubernetes, auth.Kubernetes(), false},
		{"simplejwt", authtest.Simplejwt, auth.Simplejwt([]byte(authtest.Secret)), false},
	}
}

// verifier returns the verifier of a profile.
func (p profile) verifier(tb testing.TB, idp *authtest.Issuer) *auth.Verifier {
	tb.Helper()
	cfg := auth.OpenIDConfig{Issuer: idp.URL(p.vendor), Audience: authtest.Audience, Profile: p.tokens, Logger: slog.New(slog.DiscardHandler)}
	if p.template {
		cfg.Issuer = strings.Replace(cfg.Issuer, authtest.Tenant, "{tenantid}", 1)
		cfg.Tenants = []string{authtest.Tenant}
	}
	if cfg.Issuer == "" { // simplejwt's
		cfg.Profile.Logger = cfg.Logger
		v, err := auth.NewVerifier(cfg.Profile)
		require.NoError(tb, err)
		return v
	}
	v, err := auth.OpenID(tb.Context(), cfg)
	require.NoError(tb, err)
	return v
}

func (p profile) scopes() []string {
	switch p.vendor {
	case authtest.Google, authtest.GitHubActions, authtest.Kubernetes: // they prove who calls
		return nil
	default:
		return strings.Fields(authtest.Scope)
	}
}

// status is that of a request with a token to a handler that demands the scopes.
func status(tb testing.TB, v *auth.Verifier, raw string, scopes []string) int {
	tb.Helper()
	h := http.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if len(scopes) > 0 {
		h = rampart.RequireScope(scopes[0], scopes[1:]...)(h)
	}
	return serve(tb, v.Handler(h), "Bearer "+raw).Code
}

func TestEveryProfileTakesAccessTokensWithTheirScopesAndNothingElse(t *testing.T) {
	idp := authtest.NewIssuer(t)
	for _, p := range profiles() {
		v := p.verifier(t, idp)
		for _, sort := range authtest.Sorts() {
			t.Run(p.desc+"/"+string(sort), func(t *testing.T) {
				want := http.StatusUnauthorized
				if sort == authtest.Access {
					want = http.StatusOK
				}
				raw := idp.Token(p.vendor, sort)
				assert.Equal(t, want, status(t, v, raw, p.scopes()))
				if sort != authtest.Access {
					return
				}
				assert.Equal(t, http.StatusForbidden, status(t, v, raw, []string{"orders:delete"}), "a scope that it lacks")
				tok, err := v.Verify(t.Context(), raw, auth.Access)
				require.NoError(t, err)
				assert.Equal(t, auth.Access, tok.Kind())
				assert.Equal(t, p.scopes(), slices.Collect(tok.Scopes()))
				assert.Equal(t, idp.URL(p.vendor), tok.Issuer())
				assert.NotEmpty(t, tok.Subject())
			})
		}
	}
}

// No profile needs a dangerous switch.
func TestNoProfileIsDangerous(t *testing.T) {
	for _, p := range profiles() {
		assert.False(t, p.tokens.DangerouslyUntyped, p.desc)
		assert.NotEqual(t, []string{"*"}, p.tokens.Tenants, p.desc)
		assert.Equal(t, p.vendor == authtest.Simplejwt, p.tokens.Keys != nil, p.desc)
	}
}

// What an issuer might sign one day, or signs for a client whose id is the API's.
func TestNoOtherTokenOfAnIssuerPassesInAnyProfile(t *testing.T) {
	idp := authtest.NewIssuer(t)
	gone := map[string]any{"nonce": nil, "at_hash": nil, "c_hash": nil}
	for _, p := range profiles() {
		v := p.verifier(t, idp)
		refused := func(desc, raw string) {
			t.Helper()
			_, err := v.Verify(t.Context(), raw, auth.Access)
			assert.NotEmpty(t, reason(err), "%s: %s", p.desc, desc)
		}
		refused("an ID token without nonce and at_hash", idp.Token(p.vendor, authtest.ID, gone))
		refused("an ID token with roles", idp.Token(p.vendor, authtest.ID, gone, map[string]any{"roles": []string{"orders:read"}}))
		refused("an ID token without nonce, with azp null", idp.Token(p.vendor, authtest.ID, gone, map[string]any{"azp": "", "cid": "", "typ": nil}))
		refused("a refresh token as an access token", idp.Token(p.vendor, authtest.Refresh))
		refused("a token of no audience", idp.Token(p.vendor, authtest.OtherAudience, map[string]any{"aud": nil, "client_id": nil}))
		refused("a token that never expires", idp.Token(p.vendor, authtest.Access, map[string]any{"exp": nil}))
		refused("a token of nobody", idp.Token(p.vendor, authtest.Access, map[string]any{"sub": nil, "user_id": nil}))
		if p.vendor == authtest.Simplejwt {
			continue
		}
		now := time.Now().Unix()
		events := map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
		logout := map[string]any{
			"iss": idp.URL(p.vendor), "aud": authtest.Audience, "client_id": authtest.Audience, "sub": "alice", "iat": now, "exp": now + 60,
			"jti": "j", "sid": "s", "events": events, "tid": authtest.Tenant, "hd": authtest.Domain,
		}
		for _, typ := range []any{nil, "JWT", "logout+jwt", "secevent+jwt"} {
			refused(fmt.Sprint("a log-out token of typ ", typ), idp.Sign(map[string]any{"typ": typ}, logout))
		}
		refused("a security event of the shape of an access token", idp.Token(p.vendor, authtest.Access, map[string]any{"events": events, "typ": "Logout", "token_use": "event", "azp": nil, "client_id": nil}))
		refused("another header type", idp.Sign(map[string]any{"typ": "dpop+jwt"}, claimsOf(t, idp.Token(p.vendor, authtest.Access))))
		refused("an iss with a slash too many or too few", idp.Token(p.vendor, authtest.Access, map[string]any{"iss": toggleSlash(idp.URL(p.vendor))}))
		refused("an iss in another case", idp.Token(p.vendor, authtest.Access, map[string]any{"iss": strings.ToUpper(idp.URL(p.vendor))}))
		refused("an iss with a look-alike", idp.Token(p.vendor, authtest.Access, map[string]any{"iss": strings.Replace(idp.URL(p.vendor), "o", "\u043e", 1) + "\u200b"}))
		refused("a list of issuers", idp.Token(p.vendor, authtest.Access, map[string]any{"iss": []string{idp.URL(p.vendor)}}))
	}
}

func toggleSlash(s string) string {
	if strings.HasSuffix(s, "/") {
		return s[:len(s)-1]
	}
	return s + "/"
}

// claimsOf returns the claims of a token.
func claimsOf(tb testing.TB, raw string) map[string]any {
	tb.Helper()
	claims := map[string]any{}
	require.NoError(tb, json.Unmarshal([]byte(payload(tb, raw)), &claims))
	return claims
}

func TestOfEachVendorTheUsualVariantsPass(t *testing.T) {
	idp := authtest.NewIssuer(t)
	type claims = map[string]any
	tests := []struct {
		desc   string
		tokens auth.VerifierConfig
		vendor authtest.Vendor
		header claims
		change claims
		scopes []string
		want   rampart.Denial
	}{
		{"RFC 9068 in the long spelling", auth.RFC9068(), authtest.RFC9068, claims{"typ": "application/at+jwt"}, nil, []string{"orders:read"}, ""},
		{"RFC 9068 without client_id", auth.RFC9068(), authtest.RFC9068, nil, claims{"client_id": nil}, nil, auth.TokenWrongClaim},
		{"RFC 9068 without jti", auth.RFC9068(), authtest.RFC9068, nil, claims{"jti": nil}, nil, auth.TokenNoID},
		{"RFC 9068 with typ JWT", auth.RFC9068(), authtest.RFC9068, claims{"typ": "JWT"}, nil, nil, auth.TokenNoKind},
		{"Keycloak with the header type at+jwt", auth.Keycloak(), authtest.Keycloak, claims{"typ": "at+jwt"}, nil, []string{"orders:read"}, ""},
		{"Keycloak's ID token with the header type at+jwt", auth.Keycloak(), authtest.Keycloak, claims{"typ": "at+jwt"}, claims{"typ": "ID"}, nil, auth.TokenWrongKind},
		{"Keycloak's offline token", auth.Keycloak(), authtest.Keycloak, nil, claims{"typ": "Offline"}, nil, auth.TokenWrongKind},
		{"Keycloak's token that is bound to a key", auth.Keycloak(), authtest.Keycloak, nil, claims{"typ": "DPoP"}, nil, auth.TokenWrongKind},
		{"Keycloak's typ in our words", auth.Keycloak(), authtest.Keycloak, nil, claims{"typ": "access"}, nil, auth.TokenWrongKind},
		{"Keycloak's typ in another case", auth.Keycloak(), authtest.Keycloak, nil, claims{"typ": "bearer"}, nil, auth.TokenWrongKind},
		{"Auth0's application for itself", auth.Auth0(), authtest.Auth0, nil, claims{"sub": "x@clients", "gty": "client-credentials", "scope": "a"}, []string{"a"}, ""},
		{"Auth0 with permissions alone", auth.Auth0(), authtest.Auth0, nil, claims{"scope": nil, "permissions": []string{"a", "b"}}, []string{"a", "b"}, ""},
		{"Auth0's permissions do not widen a scope", auth.Auth0(), authtest.Auth0, nil, claims{"scope": "a", "permissions": []string{"a", "b"}}, []string{"a"}, ""},
		{"Auth0 with nonce", auth.Auth0(), authtest.Auth0, nil, claims{"nonce": "x"}, nil, auth.TokenRefusedClaim},
		{"Entra's application for itself", auth.Entra(), authtest.Entra, nil, claims{"scp": nil, "roles": []string{"Tasks.Read"}, "idtyp": "app"}, []string{"Tasks.Read"}, ""},
		{"Entra's application without a role", auth.Entra(), authtest.Entra, nil, claims{"scp": nil, "roles": nil, "idtyp": "app"}, nil, auth.TokenNoKind},
		{"a user's roles at Entra do not widen scp", auth.Entra(), authtest.Entra, nil, claims{"scp": "a", "roles": []string{"b"}}, []string{"a"}, ""},
		{"Entra's v1 token for v2", auth.Entra(), authtest.Entra, nil, claims{"ver": "1.0", "azp": nil, "appid": "x"}, nil, auth.TokenWrongClaim},
		{"Okta's application for itself", auth.Okta(), authtest.Okta, nil, claims{"uid": nil, "sub": "0oa", "scp": []string{"a"}}, []string{"a"}, ""},
		{"Cognito's application for itself", auth.Cognito(), authtest.Cognito, nil, claims{"username": nil, "scope": "shop/read"}, []string{"shop/read"}, ""},
		{"Cognito with the aud of another resource", auth.Cognito(), authtest.Cognito, nil, claims{"aud": "https://other"}, nil, auth.TokenAudience},
		{"Cognito with our aud, too", auth.Cognito(), authtest.Cognito, nil, claims{"aud": authtest.Audience}, []string{"orders:read"}, ""},
		{"Google's service account without a domain", auth.Google("example.com"), authtest.Google, nil, claims{"hd": nil}, nil, auth.TokenWrongClaim},
		{"Google's service account where all are let in", auth.Google("*"), authtest.Google, nil, claims{"hd": nil}, []string{}, ""},
		{"a second domain at Google", auth.Google("a.example", "example.com"), authtest.Google, nil, nil, []string{}, ""},
		{"GitHub's owners, all of them", auth.GitHubActions("*"), authtest.GitHubActions, nil, claims{"repository_owner": "anybody"}, []string{}, ""},
		{"Google's security event with azp", auth.Google("example.com"), authtest.Google, nil, claims{"events": claims{"x": 1}}, nil, auth.TokenRefusedClaim},
		{"GitHub's token with events", auth.GitHubActions(authtest.Owner), authtest.GitHubActions, nil, claims{"events": claims{"x": 1}}, nil, auth.TokenRefusedClaim},
		{"Kubernetes' token with nonce", auth.Kubernetes(), authtest.Kubernetes, nil, claims{"nonce": "n"}, nil, auth.TokenRefusedClaim},
		{"Okta's ID token with cid", auth.Okta(), authtest.Okta, nil, claims{"at_hash": "x"}, nil, auth.TokenRefusedClaim},
		{"Entra's ID token with azp and roles", auth.Entra(), authtest.Entra, nil, claims{"scp": nil, "c_hash": "x"}, nil, auth.TokenRefusedClaim},
		{"GitHub's owner in another case", auth.GitHubActions("Octo-Org"), authtest.GitHubActions, nil, nil, nil, auth.TokenWrongClaim},
		{"Kubernetes' token out of a secret", auth.Kubernetes(), authtest.Kubernetes, nil, claims{"kubernetes.io": nil, "kubernetes.io/serviceaccount/namespace": "shop"}, nil, auth.TokenNoKind},
		{"Kubernetes without jti, as before 1.30", auth.Kubernetes(), authtest.Kubernetes, nil, claims{"jti": nil}, []string{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			v := profile{vendor: tt.vendor, tokens: tt.tokens}.verifier(t, idp)
			raw := idp.Token(tt.vendor, authtest.Access, tt.change)
			if tt.header != nil {
				raw = idp.Sign(tt.header, claimsOf(t, raw))
			}
			tok, err := v.Verify(t.Context(), raw, auth.Access)
			require.Equal(t, tt.want, reason(err))
			if tt.want == "" {
				assert.Subset(t, slices.Collect(tok.Scopes()), tt.scopes)
				if tt.change["scope"] != nil || tt.change["scp"] != nil {
					assert.Equal(t, tt.scopes, slices.Collect(tok.Scopes()))
				}
			}
		})
	}
}

// All domains and one of them is no policy.
func TestAStarBesideADomainIsAMistake(t *testing.T) {
	for name, p := range map[string]auth.VerifierConfig{"hd": auth.Google("*", "a.example"), "repository_owner": auth.GitHubActions("a", "*")} {
		_, err := auth.OpenID(t.Context(), auth.OpenIDConfig{Issuer: "https://a.example", Audience: "api", Profile: p})
		assert.Equal(t, fmt.Sprintf("Claims: conflict: %q", name), conferrtest.Text(err))
	}
	_, err := auth.OpenID(t.Context(), auth.OpenIDConfig{Issuer: "https://a.example", Audience: "api", Profile: auth.GitHubActions("")})
	assert.Equal(t, `Claims: invalid: "repository_owner"`, conferrtest.Text(err))
}

// What a profile returns is the caller's own.
func TestAProfileIsAValueOfItsOwn(t *testing.T) {
	p := auth.Entra()
	p.Claims["azp"] = []string{"evil"}
	p.RefusedClaims[0] = "x"
	p.ScopeClaims[0] = "x"
	assert.Equal(t, map[string][]string{"ver": {"2.0"}, "azp": {"*"}, "tid": {"*"}}, auth.Entra().Claims)
	assert.Equal(t, "nonce", auth.Entra().RefusedClaims[0])
	assert.Equal(t, "scp", auth.Entra().ScopeClaims[0])
}

// The shapes of one vendor's other tokens are no access tokens under the profile of
// another one either. Google's, GitHub's and Kubernetes' own are all that they sign.
func TestNoProfileTakesTheIDTokenOfAnotherVendor(t *testing.T) {
	idp := authtest.NewIssuer(t)
	for _, p := range profiles() {
		if p.vendor == authtest.Simplejwt || p.vendor == authtest.Google || p.vendor == authtest.GitHubActions || p.vendor == authtest.Kubernetes {
			continue
		}
		v := p.verifier(t, idp)
		for _, other := range profiles() {
			for _, sort := range []authtest.Sort{authtest.ID, authtest.Refresh, authtest.Logout} {
				raw := idp.Token(other.vendor, sort, map[string]any{"iss": idp.URL(p.vendor), "aud": authtest.Audience})
				if other.vendor == authtest.Google && sort == authtest.ID {
					continue // it has azp, as Auth0's access tokens do
				}
				_, err := v.Verify(t.Context(), raw, auth.Access)
				assert.NotEmpty(t, reason(err), "%s as %s's: %s", p.desc, other.desc, sort)
			}
		}
	}
}

// TestAKeyOfOneTenantSignsForNoOtherOne: Microsoft says of each key of all tenants whose
// it is, and that of personal accounts is no company's.
func TestAKeyOfOneTenantSignsForNoOtherOne(t *testing.T) {
	const other = "9188040d-6c67-4c5b-b112-36a304b66dad"
	for member, want := range map[string]rampart.Denial{
		``: "",
		`"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0",`:                                                  "",
		`"issuer":"https://login.microsoftonline.com/` + authtest.Tenant + `/v2.0",`:                                     "",
		`"issuer":"https://login.microsoftonline.com/` + other + `/v2.0",`:                                               auth.TokenKey,
		`"issuer":"https://login.microsoftonline.com/x` + authtest.Tenant + `x/v2.0",`:                                   auth.TokenKey,
		`"issuer":["https://login.microsoftonline.com"],`:                                                                auth.TokenKey,
		`"issuer":"https://a.example/` + other + `/",` + "\n" + `"issuer":"https://a.example/` + authtest.Tenant + `/",`: "",
		`"issuer":"https://a.example/` + other + `/",` + "\n" + `"issuer":"https://a.example/` + other + `/v2.0",`:       auth.TokenKey,
		`"issuer":"https://a.example/` + other + `/",` + "\n":                                                            "",
		"\n" + `"issuer":"https://a.example/` + other + `/",`:                                                            "",
	} {
		idp := authtest.NewIssuer(t)
		asked := &answers{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			set := httptest.NewRecorder()
			idp.ServeHTTP(set, r)
			text := set.Body.String()
			if list, ok := strings.CutPrefix(text, `{"keys":[`); ok { // the key once for each line
				key, again := strings.TrimSuffix(strings.TrimSpace(list), "]}"), []string{}
				for line := range strings.SplitSeq(member, "\n") {
					again = append(again, strings.Replace(key, `{`, `{`+line, 1))
				}
				text = `{"keys":[` + strings.Join(again, ",") + `]}`
			}
			fmt.Fprint(w, text)
		})}
		for _, p := range []profile{
			{vendor: authtest.Entra, tokens: auth.Entra(), template: true},
			{vendor: authtest.EntraV1, tokens: auth.EntraV1(), template: true},
			{vendor: authtest.Okta, tokens: auth.Okta()},
		} {
			cfg := auth.OpenIDConfig{Issuer: idp.URL(p.vendor), Audience: authtest.Audience, Profile: p.tokens, Client: asked.client(), Logger: slog.New(slog.DiscardHandler)}
			expect := want
			if p.template {
				cfg.Issuer, cfg.Tenants = strings.Replace(cfg.Issuer, authtest.Tenant, "{tenantid}", 1), []string{"*"}
			} else {
				expect = "" // what others write there is no rule here
			}
			v, err := auth.OpenID(t.Context(), cfg)
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), idp.Token(p.vendor, authtest.Access), auth.Access)
			assert.Equal(t, expect, reason(err), "%s %s", p.vendor, member)
		}
	}
}

package peers_test

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-chi/jwtauth/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authtest"
)

// An acceptor serves a request with a token that it takes.
type acceptor struct {
	name  string
	layer func(*testing.T, *authtest.Issuer, authtest.Vendor) func(http.Handler) http.Handler
}

// acceptors are ours and the peers, each as its documentation sets it up for an API:
// issuer, audience and algorithm are checked.
func acceptors() []acceptor {
	return []acceptor{
		{"rampart", ourIssuer},
		{"coreos/go-oidc", goOIDC},
		{"auth0/go-jwt-middleware", jwtMiddleware},
		{"go-chi/jwtauth", jwtAuthKey},
	}
}

func profileOf(v authtest.Vendor) auth.VerifierConfig {
	switch v {
	case authtest.RFC9068:
		return auth.RFC9068()
	case authtest.Keycloak:
		return auth.Keycloak()
	case authtest.Auth0, authtest.Auth0RFC9068:
		return auth.Auth0()
	case authtest.Entra:
		return auth.Entra()
	case authtest.EntraV1:
		return auth.EntraV1()
	case authtest.Okta:
		return auth.Okta()
	case authtest.Cognito:
		return auth.Cognito()
	case authtest.Google:
		return auth.Google(authtest.Domain)
	case authtest.GitHubActions:
		return auth.GitHubActions(authtest.Owner)
	default:
		return auth.Kubernetes()
	}
}

func ourIssuer(t *testing.T, idp *authtest.Issuer, v authtest.Vendor) func(http.Handler) http.Handler {
	t.Helper()
	verifier, err := auth.OpenID(t.Context(), auth.OpenIDConfig{
		Issuer: idp.URL(v), Audience: authtest.Audience, Profile: profileOf(v), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if scoped(v) {
		return rampart.Chain(verifier.Handler, rampart.RequireScope("orders:read", "orders:write"))
	}
	return verifier.Handler
}

// scoped reports whether a vendor's tokens have scopes.
func scoped(v authtest.Vendor) bool {
	return v != authtest.Google && v != authtest.GitHubActions && v != authtest.Kubernetes
}

func goOIDC(t *testing.T, idp *authtest.Issuer, v authtest.Vendor) func(http.Handler) http.Handler {
	t.Helper()
	cfg := &oidc.Config{ClientID: authtest.Audience}
	// It knows no metadata of OAuth alone (RFC 8414).
	verifier := oidc.NewVerifier(idp.URL(v), oidc.NewRemoteKeySet(t.Context(), idp.KeysURL()), cfg)
	if v != authtest.RFC9068 {
		provider, err := oidc.NewProvider(t.Context(), idp.URL(v))
		if err != nil {
			t.Fatal(err)
		}
		verifier = provider.Verifier(cfg)
	}
	return byHand(func(ctx context.Context, raw string) error {
		_, err := verifier.Verify(ctx, raw)
		return err
	})
}

// byHand is the middleware that users of a library without one write.
func byHand(verify func(context.Context, string) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if verify(r.Context(), raw) != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func jwtMiddleware(t *testing.T, idp *authtest.Issuer, v authtest.Vendor) func(http.Handler) http.Handler {
	t.Helper()
	issuer, err := url.Parse(idp.URL(v))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := url.Parse(idp.KeysURL())
	if err != nil {
		t.Fatal(err)
	}
	provider := jwks.NewCachingProvider(issuer, time.Minute, jwks.WithCustomJWKSURI(keys))
	val, err := validator.New(provider.KeyFunc, validator.RS256, issuer.String(), []string{authtest.Audience})
	if err != nil {
		t.Fatal(err)
	}
	return jwtmiddleware.New(val.ValidateToken).CheckJWT
}

func jwtAuthKey(t *testing.T, idp *authtest.Issuer, v authtest.Vendor) func(http.Handler) http.Handler {
	t.Helper()
	set, err := jwk.Fetch(t.Context(), idp.KeysURL())
	if err != nil {
		t.Fatal(err)
	}
	key, _ := set.Key(0)
	var public rsa.PublicKey
	if err := key.Raw(&public); err != nil {
		t.Fatal(err)
	}
	ja := jwtauth.New("RS256", nil, &public, jwt.WithIssuer(idp.URL(v)), jwt.WithAudience(authtest.Audience))
	return rampart.Chain(jwtauth.Verifier(ja), jwtauth.Authenticator(ja))
}

// The same tokens at ours and at the peers. What is wrong with a peer's answer is only
// printed; ours must all be right. ID and log-out tokens are for the API's own
// audience, as where the API is its own client.
func TestTokensOfEveryIssuerSideBySide(t *testing.T) {
	idp := authtest.NewIssuer(t)
	vendors := []authtest.Vendor{
		authtest.RFC9068, authtest.Keycloak, authtest.Auth0, authtest.Auth0RFC9068, authtest.Entra, authtest.EntraV1,
		authtest.Okta, authtest.Cognito, authtest.Google, authtest.GitHubActions, authtest.Kubernetes,
	}
	var table strings.Builder
	table.WriteString("\n| |")
	for _, a := range acceptors() {
		fmt.Fprintf(&table, " %s |", a.name)
	}
	table.WriteString("\n|---|---|---|---|---|")
	taken, holes, total := make([]int, len(acceptors())), make([]int, len(acceptors())), 0
	for _, v := range vendors {
		fmt.Fprintf(&table, "\n| %s |", v)
		for i, a := range acceptors() {
			h := a.layer(t, idp, v)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			access, wrong := "access 401", []string(nil)
			for _, sort := range authtest.Sorts() {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Authorization", "Bearer "+idp.Token(v, sort))
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				switch ok := w.Code == http.StatusOK; {
				case ok && sort == authtest.Access:
					access = "access 200"
					taken[i]++
				case ok:
					wrong = append(wrong, string(sort))
					holes[i]++
				case i == 0 && sort != authtest.Access && w.Code != http.StatusUnauthorized:
					t.Errorf("%s, %s: status %d", v, sort, w.Code)
				}
				if i == 0 {
					total++
				}
			}
			if i == 0 && (access != "access 200" || wrong != nil) {
				t.Errorf("%s: %s, and taken: %v", v, access, wrong)
			}
			if wrong != nil {
				access += ", **" + strings.Join(wrong, ", ") + " 200**"
			}
			fmt.Fprintf(&table, " %s |", access)
		}
	}
	fmt.Fprintf(&table, "\n| right answers of %d |", total)
	for i := range acceptors() {
		fmt.Fprintf(&table, " %d |", total-(len(vendors)-taken[i])-holes[i])
		if taken[i] == 0 {
			t.Errorf("%s takes no token at all: it is not set up as it should be", acceptors()[i].name)
		}
	}
	t.Log(table.String())
}

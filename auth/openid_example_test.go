package auth_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authtest"
)

// Accept Keycloak's access tokens, and nothing else that Keycloak signs.
func ExampleOpenID() {
	ctx := context.Background()
	orders := http.NotFoundHandler()
	verifier, err := auth.OpenID(ctx, auth.OpenIDConfig{
		Issuer: "https://id.example/realms/shop", Audience: "shop-api", Profile: auth.Keycloak(),
		Client: exampleClient(), // leave it out: only this example has no network
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := verifier.Handler(rampart.RequireScope("orders:read")(orders))

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders", nil))
	fmt.Println(w.Code)
	// Output: 401
}

// exampleClient answers as the issuer of the examples does.
func exampleClient() *http.Client {
	return metadata(map[string]string{
		"https://id.example/realms/shop/.well-known/openid-configuration": of("https://id.example/realms/shop", "https://id.example/realms/shop/certs"),
		"https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration": of(
			"https://login.microsoftonline.com/{tenantid}/v2.0", "https://login.microsoftonline.com/common/discovery/v2.0/keys"),
	}).client()
}

// Two issuers, one of them with many tenants, each with its own keys and rules.
func ExampleByIssuer() {
	ctx := context.Background()
	keycloak, err := auth.OpenID(ctx, auth.OpenIDConfig{
		Issuer: "https://id.example/realms/shop", Audience: "shop-api", Profile: auth.Keycloak(), Client: exampleClient(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	entra, err := auth.OpenID(ctx, auth.OpenIDConfig{
		Issuer:   "https://login.microsoftonline.com/{tenantid}/v2.0",
		Audience: "5d6d2f49-1111-2222-3333-444444444444",
		Tenants:  []string{"8f0b198f-5555-6666-7777-888888888888"},
		Profile:  auth.Entra(),
		Client:   exampleClient(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := auth.ByIssuer(keycloak, entra)
	fmt.Println(verifier != nil, err)
	// Output: true <nil>
}

// A profile is plain data: this is one for an issuer that writes "use":"api" into
// its access tokens, and their scopes into a list.
func ExampleOpenIDConfig_profile() {
	profile := auth.VerifierConfig{
		KindClaim:     "use",
		Kinds:         map[string]auth.Kind{"api": auth.Access},
		Claims:        map[string][]string{"client": {"web", "mobile"}},
		RefusedClaims: []string{"nonce"},
		ScopeClaims:   []string{"permissions"},
		Logger:        slog.New(slog.DiscardHandler),
		Check: func(t *auth.Token) error {
			var claims struct {
				Suspended bool `json:"suspended"`
			}
			if err := t.Decode(&claims); err != nil {
				return err
			}
			if claims.Suspended {
				return fmt.Errorf("the account of %q is suspended", t.Subject())
			}
			return nil
		},
	}
	_, err := auth.OpenID(context.Background(), auth.OpenIDConfig{
		Issuer: "https://id.example/realms/shop", Audience: "shop-api", Profile: profile, Client: exampleClient(),
	})
	fmt.Println(err)
	// Output: <nil>
}

// The tests of a server need no identity provider.
func TestAServerIsTestedWithoutAnIdentityProvider(t *testing.T) {
	idp := authtest.NewIssuer(t)
	verifier, err := auth.OpenID(t.Context(), auth.OpenIDConfig{
		Issuer: idp.URL(authtest.Keycloak), Audience: authtest.Audience, Profile: auth.Keycloak(),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(verifier.Handler(rampart.RequireScope("orders:read")(spyless())))
	t.Cleanup(server.Close)
	for _, sort := range authtest.Sorts() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+idp.Token(authtest.Keycloak, sort, map[string]any{"sub": "bob"}))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if good := resp.StatusCode == http.StatusOK; good != (sort == authtest.Access) {
			t.Errorf("%s: %d", sort, resp.StatusCode)
		}
	}
}

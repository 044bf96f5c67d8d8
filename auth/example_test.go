package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

// accounts is the application's table of users.
type accounts struct{}

func (accounts) Login(_ context.Context, name, password string) (string, error) {
	if name != "alice" || password != "correct horse battery staple" { // see auth/password
		return "", auth.ErrBadCredentials
	}
	return "1", nil
}

func (accounts) Active(context.Context, string) (bool, error) { return true, nil }

func Example() {
	sessions := auth.NewMemoryStore(0) // authsql shares them between processes
	verifierConfig, serviceConfig := auth.Simplejwt([]byte("a secret of at least 32 random bytes"))
	verifierConfig.Revoked = auth.RevokedIn(sessions)
	verifier, err := auth.NewVerifier(verifierConfig)
	if err != nil {
		fmt.Println(err)
		return
	}
	serviceConfig.Verifier, serviceConfig.Users, serviceConfig.Sessions = verifier, accounts{}, sessions
	serviceConfig.NoRotation = false
	serviceConfig.Logger = slog.New(slog.DiscardHandler)
	service, err := auth.NewService(serviceConfig)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/api/token/", service.IssueHandler())
	mux.Handle("/api/token/refresh/", service.RefreshHandler())
	mux.Handle("/api/token/blacklist/", service.EndSessionHandler())
	mux.Handle("/api/secure/", verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth.FromContext(r.Context())
		fmt.Fprintf(w, "hello, user %s", token.Subject())
	})))

	send := func(method, path, body, access string) string {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if access != "" {
			r.Header.Set("Authorization", "Bearer "+access)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	_, body, _ := strings.Cut(send(http.MethodPost, "/api/token/", `{"username":"alice","password":"correct horse battery staple"}`, ""), " ")
	var tokens struct{ Access, Refresh string }
	if err := json.Unmarshal([]byte(body), &tokens); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(send(http.MethodGet, "/api/secure/", "", tokens.Access))
	fmt.Println(send(http.MethodPost, "/api/token/blacklist/", `{"refresh":"`+tokens.Refresh+`"}`, ""))
	fmt.Println(strings.Split(send(http.MethodGet, "/api/secure/", "", tokens.Access), " ")[0])
	// Output:
	// 200 hello, user 1
	// 200 {}
	// 401
}

func ExampleVerifier_Handler_scope() {
	key, err := auth.ParseKey(auth.ES256, "", []byte(`{"kty":"EC","crv":"P-256","use":"sig",
		"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := auth.NewKeys(key) // a public key: this server only verifies
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := auth.NewVerifier(auth.VerifierConfig{
		Keys:       keys,
		Issuer:     "https://issuer.example",
		Audiences:  []string{"https://api.example"},
		HeaderType: "at+jwt",
		Logger:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	admin := verifier.Handler(rampart.RequireScope("admin")(http.NotFoundHandler()))
	w := httptest.NewRecorder()
	admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="api"
}

package auth_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

func Example() {
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
		Keys:        keys,
		Issuer:      "https://issuer.example",
		Audiences:   []string{"https://api.example"},
		HeaderTypes: []string{"at+jwt"},
		Logger:      slog.New(slog.DiscardHandler),
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

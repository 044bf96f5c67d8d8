package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net/http/httptest"

	"github.com/ecolaura/rampart/auth"
)

// A resource server checks the tokens of an issuer that publishes its keys.
func ExampleNewRemoteKeys() {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := auth.NewKey(auth.EdDSA, "2026", private)
	if err != nil {
		fmt.Println(err)
		return
	}
	published, err := auth.NewKeys(key)
	if err != nil {
		fmt.Println(err)
		return
	}
	issuer := httptest.NewServer(published)
	defer issuer.Close()

	keys, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{
		URL:        issuer.URL + "/.well-known/jwks.json", // https, but for a loopback host
		Algorithms: []auth.Algorithm{auth.EdDSA},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := auth.NewVerifier(auth.VerifierConfig{Keys: keys, Issuer: "https://issuer.example", Audiences: []string{"api"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = verifier.Verify(context.Background(), "not.a.token", auth.Access)
	fmt.Println(err)
	found, err := keys.Key(context.Background(), "2026", auth.EdDSA)
	fmt.Println(found, err)
	// Output:
	// auth: token refused: malformed
	// auth.Key(EdDSA "2026" REDACTED) <nil>
}

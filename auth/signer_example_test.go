package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/ecolaura/rampart/auth"
)

// kmsClient is what the client of a cloud's key management looks like: that of
// Google, AWS, Azure or Vault has a call to sign a digest, which takes a context and
// answers the ASN.1 form of an ECDSA signature, and one that tells the public key.
type kmsClient interface {
	PublicKey(ctx context.Context, name string) (crypto.PublicKey, error)
	SignDigest(ctx context.Context, name string, digest []byte) (signature []byte, err error)
}

// kmsSigner is an [auth.ContextSigner] for one version of a key that never leaves
// the KMS.
type kmsSigner struct {
	client kmsClient
	name   string // with its version: another one is another key, for Keys.Rotate
	public crypto.PublicKey
}

func (s *kmsSigner) Public() crypto.PublicKey { return s.public }

func (s *kmsSigner) SignContext(ctx context.Context, _ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.client.SignDigest(ctx, s.name, digest)
}

func (s *kmsSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.SignContext(ctx, nil, digest, opts)
}

// fakeKMS stands for the cloud.
type fakeKMS struct{ key *ecdsa.PrivateKey }

func (f fakeKMS) PublicKey(context.Context, string) (crypto.PublicKey, error) {
	return &f.key.PublicKey, nil
}

func (f fakeKMS) SignDigest(ctx context.Context, _ string, digest []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return ecdsa.SignASN1(rand.Reader, f.key, digest)
}

// Tokens are signed with a key that stays in a cloud's KMS.
func ExampleContextSigner() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	var client kmsClient = fakeKMS{private}

	const name = "projects/p/locations/global/keyRings/r/cryptoKeys/tokens/cryptoKeyVersions/1"
	public, err := client.PublicKey(context.Background(), name)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := auth.NewKey(auth.ES256, "tokens-1", &kmsSigner{client, name, public})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := auth.NewKeys(key) // for session.Config.Tokens; it also publishes the JWK set
	fmt.Println(keys.Signing(), err)
	// Output:
	// auth.Key(ES256 "tokens-1" REDACTED) <nil>
}

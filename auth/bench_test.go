package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
)

func BenchmarkVerifyHS256(b *testing.B) {
	v := newVerifier(b, func(c *auth.VerifierConfig) { c.CacheSize = -1 })
	raw := token()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw, auth.Access); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyKeycloak is the same with a profile, and claims as Keycloak writes them.
func BenchmarkVerifyKeycloak(b *testing.B) {
	cfg := auth.Keycloak()
	cfg.Keys, cfg.Issuer, cfg.Audiences, cfg.CacheSize = newKeys(b, newKey(b)), "https://id.example/realms/shop", []string{"shop-api"}, -1
	v, err := auth.NewVerifier(cfg)
	require.NoError(b, err)
	raw := token("token_type", "", "user_id", "", "sub", `"6cd55704-eb42-4697-b55e-59046efc7b46"`, "iss", `"https://id.example/realms/shop"`,
		"aud", `["shop-api","account"]`, "typ", `"Bearer"`, "azp", `"app"`, "scope", `"openid email orders:read"`, "sid", `"a7a51738"`, "acr", `"1"`,
		"realm_access", `{"roles":["offline_access","admin"]}`, "preferred_username", `"alice"`, "email_verified", "true")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw, auth.Access); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify holds a verification against its bare primitive, with the hash,
// on the same token: both are run in turn, so that what else the machine does
// meets both, and the best of many short runs counts. "over-ns" is the difference.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []auth.Algorithm{auth.RS256, auth.ES256, auth.EdDSA} {
		b.Run(string(alg), func(b *testing.B) {
			v, raw, public := signedWith(b, alg)
			dot := strings.LastIndexByte(raw, '.')
			input := []byte(raw[:dot])
			sig, err := base64.RawURLEncoding.DecodeString(raw[dot+1:])
			if err != nil {
				b.Fatal(err)
			}
			const run = 16
			ours, bare := time.Hour, time.Hour
			for b.Loop() {
				began := time.Now()
				for range run {
					if _, err := v.Verify(b.Context(), raw, auth.Access); err != nil {
						b.Fatal(err)
					}
				}
				between := time.Now()
				for range run {
					if !bareVerify(public, input, sig) {
						b.Fatal("bad signature")
					}
				}
				ours, bare = min(ours, between.Sub(began)/run), min(bare, time.Since(between)/run)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(ours), "ours-ns")
			b.ReportMetric(float64(bare), "bare-ns")
			b.ReportMetric(float64(ours-bare), "over-ns")
		})
	}
}

func bareVerify(public any, input, sig []byte) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		sum := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig) == nil
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(input)
		return ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, sig)
	default:
		return false
	}
}

// keysFor returns the keys of alg, and the public one.
func keysFor(tb testing.TB, alg auth.Algorithm) (keys *auth.Keys, pub any) {
	tb.Helper()
	if alg == auth.HS256 {
		return newKeys(tb, newKey(tb)), nil
	}
	private := privateKeys(tb)[alg]
	key, err := auth.NewKey(alg, "", private)
	require.NoError(tb, err)
	return newKeys(tb, key), public(private)
}

// signedWith returns a token signed with alg, its verifier without a cache, and
// the public key.
func signedWith(tb testing.TB, alg auth.Algorithm) (v *auth.Verifier, raw string, pub any) {
	tb.Helper()
	keys, pub := keysFor(tb, alg)
	return newVerifier(tb, func(c *auth.VerifierConfig) { c.Keys, c.CacheSize = keys, -1 }), issued(tb, keys, ""), pub
}

// issued returns an access token signed with keys, whose claim x is that text.
func issued(tb testing.TB, keys *auth.Keys, x string) string {
	tb.Helper()
	pair, err := newService(tb, signedBy(keys)).Issue(tb.Context(), "1", map[string]any{"x": x})
	require.NoError(tb, err)
	return pair.Access
}

// BenchmarkRemoteKey is what a RemoteKeys adds to each request.
func BenchmarkRemoteKey(b *testing.B) {
	_, jwk := edKey(b, 'a', "a")
	rk, _, _ := newRemote(b, jwks(jwk))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rk.Key(b.Context(), "a", auth.EdDSA); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyCached(b *testing.B) {
	v := newVerifier(b, func(c *auth.VerifierConfig) {
		c.Revoked = func(context.Context, *auth.Token) (bool, error) { return false, nil }
	})
	raw := token()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw, auth.Access); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloorHMAC is what no verification of an HS256 token can go below.
func BenchmarkFloorHMAC(b *testing.B) {
	raw := token()
	input := []byte(raw[:strings.LastIndexByte(raw, '.')])
	mac := hmac.New(crypto.SHA256.New, []byte(secret))
	var sum [32]byte
	for b.Loop() {
		mac.Reset()
		mac.Write(input)
		mac.Sum(sum[:0])
	}
}

func BenchmarkJunk(b *testing.B) {
	v := newVerifier(b)
	for name, raw := range map[string]string{
		"garbage":   "garbage",
		"signature": token()[:len(token())-2] + "AA",
		"claims":    token("exp", `"1"`),
		"nested":    token("x", strings.Repeat("[", 15)+strings.Repeat("]", 15)),
		"deep":      token("x", strings.Repeat("[", 2000)+strings.Repeat("]", 2000)),
		"huge":      strings.Repeat("a", 1<<20),
		"dots":      strings.Repeat(".", 8000),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = v.Verify(b.Context(), raw, auth.Access)
			}
		})
	}
}

func BenchmarkHandler(b *testing.B) {
	v := newVerifier(b, func(c *auth.VerifierConfig) {
		c.Revoked = func(context.Context, *auth.Token) (bool, error) { return false, nil }
	})
	h := v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := request(b, "Bearer "+token())
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

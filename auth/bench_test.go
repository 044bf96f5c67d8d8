package auth_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

// Package josetest makes tokens of every kind for tests, good and bad.
package josetest

import (
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Secret signs the tokens.
const Secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// PlainHeader is the header that most tokens have.
const PlainHeader = `{"alg":"HS256","typ":"JWT"}`

// B64 encodes a segment.
func B64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// Forge signs header and claims, whatever they say, with the HMAC secret.
func Forge(h crypto.Hash, header, claims string) string {
	input := B64(header) + "." + B64(claims)
	return input + "." + Sign(h, input)
}

// Sign returns the last segment.
func Sign(h crypto.Hash, input string) string {
	mac := hmac.New(h.New, []byte(Secret))
	mac.Write([]byte(input))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Token returns an access token of user 1 with the given members instead of, or
// besides, the usual ones. A member whose value is "" is left out.
func Token(members ...string) string {
	return Forge(crypto.SHA256, PlainHeader, Claims(members...))
}

// Claims returns the claims of [Token].
func Claims(members ...string) string {
	names := []string{"token_type", "exp", "iat", "jti", "user_id"}
	values := map[string]string{
		"token_type": `"access"`,
		"exp":        fmt.Sprint(time.Now().Add(time.Hour).Unix()),
		"iat":        fmt.Sprint(time.Now().Add(-time.Minute).Unix()),
		"jti":        `"0123456789abcdef0123456789abcdef"`,
		"user_id":    "1",
	}
	for i := 0; i < len(members); i += 2 {
		if _, ok := values[members[i]]; !ok {
			names = append(names, members[i])
		}
		values[members[i]] = members[i+1]
	}
	var parts []string
	for _, name := range names {
		if values[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, values[name]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// Payload returns the claims of a token as text.
func Payload(tb testing.TB, raw string) string {
	tb.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		tb.Fatalf("no token: %q", raw)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// Flip returns s with another letter at that place.
func Flip(s string, at int) string {
	b := []byte(s)
	if b[at]++; b[at] == '{' || b[at] == '[' {
		b[at] = 'B'
	}
	return string(b)
}

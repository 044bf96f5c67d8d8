package auth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// recorded returns one of the keys of testdata/simplejwt_tokens.json.
func recorded(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile("testdata/simplejwt_tokens.json")
	require.NoError(tb, err)
	var file simplejwtTokens
	require.NoError(tb, json.Unmarshal(text, &file))
	require.Contains(tb, file.Keys, name)
	return []byte(file.Keys[name])
}

// privateKeys returns a private key for each algorithm.
func privateKeys(tb testing.TB) map[auth.Algorithm]any {
	tb.Helper()
	block, _ := pem.Decode(recorded(tb, "rsa_private"))
	rsaKey, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(tb, err)
	keys := map[auth.Algorithm]any{}
	for _, alg := range []auth.Algorithm{auth.RS256, auth.RS384, auth.RS512, auth.PS256, auth.PS384, auth.PS512} {
		keys[alg] = rsaKey
	}
	for alg, curve := range map[auth.Algorithm]elliptic.Curve{auth.ES256: elliptic.P256(), auth.ES384: elliptic.P384(), auth.ES512: elliptic.P521()} {
		keys[alg], err = ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(tb, err)
	}
	_, keys[auth.EdDSA], err = ed25519.GenerateKey(rand.Reader)
	require.NoError(tb, err)
	for _, alg := range []auth.Algorithm{auth.HS256, auth.HS384, auth.HS512} {
		keys[alg] = []byte(secret)
	}
	return keys
}

func public(private any) any {
	if signer, ok := private.(crypto.Signer); ok {
		return signer.Public()
	}
	return private
}

func TestEveryAlgorithmSignsAndVerifies(t *testing.T) {
	for alg, material := range privateKeys(t) {
		t.Run(string(alg), func(t *testing.T) {
			private, err := auth.NewKey(alg, "k1", material)
			require.NoError(t, err)
			verifying, err := auth.NewKey(alg, "k1", public(material))
			require.NoError(t, err)
			assert.Equal(t, alg, private.Algorithm())
			assert.Equal(t, "k1", private.ID())

			s := newService(t, signedBy(newKeys(t, private)))
			pair, err := s.Issue(t.Context(), "1", nil)
			require.NoError(t, err)

			v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys = newKeys(t, verifying) })
			_, err = v.Verify(t.Context(), pair.Access, auth.Access)
			require.NoError(t, err)
			input, sig, _ := strings.Cut(pair.Access[strings.IndexByte(pair.Access, '.')+1:], ".")
			for desc, raw := range map[string]string{
				"other claims":        strings.Replace(pair.Access, input, b64(claims("user_id", "2")), 1),
				"a cut signature":     pair.Access[:len(pair.Access)-4],
				"a longer signature":  pair.Access + "AAAA",
				"a signature of zero": strings.Replace(pair.Access, sig, strings.Repeat("A", len(sig)), 1),
				"an empty signature":  strings.TrimSuffix(pair.Access, sig),
			} {
				_, err := v.Verify(t.Context(), raw, auth.Access)
				assert.NotEmpty(t, reason(err), desc)
			}

			first, err := s.Refresh(t.Context(), pair.Refresh)
			require.NoError(t, err)
			second, err := s.Refresh(t.Context(), pair.Refresh)
			require.NoError(t, err)
			if !strings.HasPrefix(string(alg), "PS") { // whose signatures are salted
				assert.Equal(t, first.Refresh, second.Refresh)
			}
			assert.Equal(t, payload(t, first.Refresh), payload(t, second.Refresh))
		})
	}
}

func newKeys(tb testing.TB, signing *auth.Key, more ...*auth.Key) *auth.Keys {
	tb.Helper()
	keys, err := auth.NewKeys(signing, more...)
	require.NoError(tb, err)
	return keys
}

func TestNewKeyRefuses(t *testing.T) {
	keys := privateKeys(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p256, _ := keys[auth.ES256].(*ecdsa.PrivateKey)
	rsaKey, _ := keys[auth.RS256].(*rsa.PrivateKey)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	mixed := *p256
	mixed.PublicKey = other.PublicKey
	broken := *rsaKey
	broken.D = big.NewInt(3)
	tests := []struct {
		desc     string
		alg      auth.Algorithm
		kid      string
		material any
		want     string
	}{
		{"an unknown algorithm", "none", "", []byte(secret), `alg: invalid: "none"`},
		{"a short secret", auth.HS256, "", []byte(secret[:31]), "material: weak"},
		{"a short secret for HS512", auth.HS512, "", []byte(secret[:63]), "material: weak"},
		{"no secret", auth.HS256, "", []byte{}, "material: weak"},
		{"a string", auth.HS256, "", secret, "material: mismatch"},
		{"a public key as HMAC secret (CVE-2016-10555)", auth.HS256, "", &rsaKey.PublicKey, "material: mismatch"},
		{"a secret for RSA", auth.RS256, "", []byte(secret), "material: mismatch"},
		{"an EC key for RSA", auth.RS256, "", p256, "material: mismatch"},
		{"an RSA key for EC", auth.ES256, "", rsaKey, "material: mismatch"},
		{"a small modulus", auth.RS256, "", small, "material: weak"},
		{"a small public modulus", auth.PS256, "", &small.PublicKey, "material: weak"},
		{"a huge modulus", auth.RS256, "", &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 9000, 1), E: 65537}, "material: weak"},
		{"an even modulus", auth.RS256, "", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2048), E: 65537}, "material: invalid"},
		{"exponent 1", auth.RS256, "", &rsa.PublicKey{N: rsaKey.N, E: 1}, "material: invalid"},
		{"an empty RSA key", auth.RS256, "", &rsa.PublicKey{}, "material: invalid"},
		{"an RSA key that does not fit itself", auth.RS256, "", &broken, "material: invalid"},
		{"nil", auth.RS256, "", nil, "material: mismatch"},
		{"a nil RSA key", auth.RS256, "", (*rsa.PrivateKey)(nil), "material: mismatch"},
		{"the curve of another algorithm", auth.ES384, "", p256, "material: mismatch"},
		{"the curve of another algorithm, public", auth.ES512, "", &p256.PublicKey, "material: mismatch"},
		{"a private key beside another public one", auth.ES256, "", &mixed, "material: invalid"},
		{"a short Ed25519 key", auth.EdDSA, "", ed25519.PublicKey{1}, "material: mismatch"},
		{"a short private Ed25519 key", auth.EdDSA, "", ed25519.PrivateKey{1}, "material: mismatch"},
		{"a long kid", auth.HS256, strings.Repeat("k", 129), []byte(secret), `kid: invalid: "` + strings.Repeat("k", 129) + `"`},
		{"a kid with a line end", auth.HS256, "a\nb", []byte(secret), `kid: invalid: "a\nb"`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			key, err := auth.NewKey(tt.alg, tt.kid, tt.material)
			assert.Nil(t, key)
			assert.Equal(t, tt.want, conferrtest.Text(err))
		})
	}
}

func TestKeyIDs(t *testing.T) {
	key, err := auth.NewKey(auth.HS256, "", []byte(secret))
	require.NoError(t, err)
	assert.Empty(t, key.ID(), "an HMAC key has none of its own")

	// RFC 7638 section 3.1.
	const rfc7638 = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"%s}`
	key, err = auth.ParseKey(auth.RS256, "", fmt.Appendf(nil, rfc7638, ""))
	require.NoError(t, err)
	assert.Equal(t, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", key.ID())
	key, err = auth.ParseKey(auth.RS256, "", fmt.Appendf(nil, rfc7638, `,"kid":"2011-04-29","alg":"RS256","use":"sig","key_ops":["verify"]`))
	require.NoError(t, err)
	assert.Equal(t, "2011-04-29", key.ID(), "its own")
	key, err = auth.ParseKey(auth.RS256, "mine", fmt.Appendf(nil, rfc7638, `,"kid":"2011-04-29"`))
	require.NoError(t, err)
	assert.Equal(t, "mine", key.ID())
	for desc, more := range map[string]string{
		"another alg":       `,"alg":"RS512"`,
		"for encryption":    `,"use":"enc"`,
		"other key_ops":     `,"key_ops":["encrypt"]`,
		"to sign with":      `,"key_ops":["sign"]`,
		"no key_ops":        `,"key_ops":[]`,
		"key_ops beside":    `,"use":"sig","key_ops":["encrypt","verify"]`,
		"key_ops twice":     `,"key_ops":["verify","verify"]`,
		"a name twice":      `,"e":"AQAB"`,
		"text behind":       `} {`,
		"a small exponent":  `,"x":1,"e":"AQ"`,
		"an unknown use":    `,"use":"x"`,
		"a kid of a number": `,"kid":1`,
	} {
		_, err = auth.ParseKey(auth.RS256, "", fmt.Appendf(nil, rfc7638, more))
		assert.Error(t, err, desc)
	}
}

func TestParseKey(t *testing.T) {
	// RFC 8037 appendix A.1.
	const edJWK = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",`
	keys := privateKeys(t)
	rsaKey, _ := keys[auth.RS256].(*rsa.PrivateKey)
	ecKey, _ := keys[auth.ES256].(*ecdsa.PrivateKey)
	ecDER, err := x509.MarshalECPrivateKey(ecKey)
	require.NoError(t, err)
	edDER, err := x509.MarshalPKCS8PrivateKey(keys[auth.EdDSA])
	require.NoError(t, err)
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	pkcs1 := block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey))
	tests := []struct {
		desc string
		alg  auth.Algorithm
		text []byte
		ok   bool
	}{
		{"PKCS #8", auth.RS256, recorded(t, "rsa_private"), true},
		{"PKCS #8, Ed25519", auth.EdDSA, block("PRIVATE KEY", edDER), true},
		{"PKIX", auth.PS512, recorded(t, "rsa_public"), true},
		{"PKCS #1, private", auth.RS256, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), true},
		{"PKCS #1, public", auth.RS256, pkcs1, true},
		{"SEC 1", auth.ES256, block("EC PRIVATE KEY", ecDER), true},
		{"SEC 1 behind the curve, as openssl ecparam writes it", auth.ES256, append(block("EC PARAMETERS", []byte{6, 0}), block("EC PRIVATE KEY", ecDER)...), true},
		{"the curve alone", auth.ES256, block("EC PARAMETERS", []byte{6, 0}), false},
		{"the curve twice", auth.ES256, append(bytes.Repeat(block("EC PARAMETERS", []byte{6, 0}), 2), block("EC PRIVATE KEY", ecDER)...), false},
		{"the curve before a key that is not EC", auth.RS256, append(block("EC PARAMETERS", []byte{6, 0}), pkcs1...), false},
		{"text between the curve and the key", auth.ES256, append(append(block("EC PARAMETERS", []byte{6, 0}), "x\n"...), block("EC PRIVATE KEY", ecDER)...), false},
		{"white space around", auth.ES256, append([]byte("\n "), append(recorded(t, "ec_public"), "\n\n"...)...), true},
		{"an oct JWK", auth.HS256, []byte(`{"kty":"oct","k":"` + b64(secret) + `"}`), true},
		{"an OKP JWK (RFC 8037 appendix A.2)", auth.EdDSA, []byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`), true},
		{"a private JWK to sign with", auth.EdDSA, []byte(edJWK + `"key_ops":["sign"]}`), true},
		{"a private JWK to sign and verify with", auth.EdDSA, []byte(edJWK + `"key_ops":["verify","sign"]}`), true},
		{"a private JWK to verify with", auth.EdDSA, []byte(edJWK + `"key_ops":["verify"]}`), false},
		{"a private JWK to sign with twice", auth.EdDSA, []byte(edJWK + `"key_ops":["sign","sign"]}`), false},
		{"a secret to sign and verify with", auth.HS256, []byte(`{"kty":"oct","key_ops":["sign","verify"],"k":"` + b64(secret) + `"}`), true},
		{"a secret to verify with", auth.HS256, []byte(`{"kty":"oct","key_ops":["verify"],"k":"` + b64(secret) + `"}`), false},
		{"an X25519 JWK", auth.EdDSA, []byte(`{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`), false},
		{"an RSA key for EC", auth.ES256, recorded(t, "rsa_private"), false},
		{"two blocks", auth.RS256, bytes.Repeat(pkcs1, 2), false},
		{"text before the block", auth.RS256, append([]byte("x\n"), pkcs1...), false},
		{"an unknown block", auth.RS256, block("CERTIFICATE", []byte{1}), false},
		{"a damaged block", auth.RS256, block("PUBLIC KEY", []byte{1}), false},
		{"an HMAC secret as text", auth.HS256, []byte(secret), false},
		{"nothing", auth.HS256, nil, false},
		{"a JWK set", auth.HS256, []byte(`{"keys":[]}`), false},
		{"a huge JWK", auth.HS256, []byte(`{"kty":"oct","k":"` + strings.Repeat("A", 1<<15) + `"}`), false},
		{"an oct JWK that is too short", auth.HS256, []byte(`{"kty":"oct","k":"AAAA"}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			key, err := auth.ParseKey(tt.alg, "", tt.text)
			assert.Equal(t, tt.ok, err == nil, "%v", err)
			assert.Equal(t, tt.ok, key != nil)
			if err != nil {
				assert.NotContains(t, err.Error(), "PRIVATE")
			}
		})
	}
}

func TestAKeyPrintsRedacted(t *testing.T) {
	for alg, material := range privateKeys(t) {
		key, err := auth.NewKey(alg, "", material)
		require.NoError(t, err)
		encoded, err := json.Marshal(key)
		require.NoError(t, err)
		var log strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).Info("x", "key", key)
		}
		for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x %d", key, key, key, key, key, key, key), string(encoded), log.String()} {
			assert.Contains(t, text, "REDACTED")
			assert.NotContains(t, text, secret)
		}
		value := fmt.Sprintf("%v %+v %#v", *key, *key, *key)
		assert.NotContains(t, value, secret)
		assert.NotContains(t, value, fmt.Sprintf("%x", secret))
	}
}

func TestNewKeysRefuses(t *testing.T) {
	keys := privateKeys(t)
	make1 := func(alg auth.Algorithm, kid string) *auth.Key {
		key, err := auth.NewKey(alg, kid, keys[alg])
		require.NoError(t, err)
		return key
	}
	_, err := auth.NewKeys(nil, nil)
	assert.Equal(t, "signing: missing\nverifyOnly: missing", conferrtest.Text(err))
	_, err = auth.NewKeys(&auth.Key{})
	assert.Equal(t, "signing: missing", conferrtest.Text(err))
	_, err = auth.NewKeys(make1(auth.HS256, "a"), make1(auth.HS384, "a"), make1(auth.RS256, "b"))
	assert.Equal(t, "verifyOnly: duplicate: \"a\"\nverifyOnly: conflict: \"b\"", conferrtest.Text(err))
	_, err = auth.NewKeys(make1(auth.HS256, ""), make1(auth.HS256, ""))
	assert.Equal(t, "verifyOnly: duplicate", conferrtest.Text(err))
	_, err = auth.NewKeys(make1(auth.RS256, "a"), make1(auth.ES256, "b"))
	assert.NoError(t, err)
}

func TestWhichKeyIsFound(t *testing.T) {
	keys := privateKeys(t)
	make1 := func(alg auth.Algorithm, kid string) *auth.Key {
		key, err := auth.NewKey(alg, kid, keys[alg])
		require.NoError(t, err)
		return key
	}
	bare, a, b, es := make1(auth.HS256, ""), make1(auth.HS256, "a"), make1(auth.HS256, "b"), make1(auth.ES256, "es")
	rs := make1(auth.RS256, "rs")
	tests := []struct {
		desc string
		set  *auth.Keys
		kid  string
		alg  auth.Algorithm
		want *auth.Key
	}{
		{"by kid", newKeys(t, a, b), "b", auth.HS256, b},
		{"an unknown kid", newKeys(t, a, b), "c", auth.HS256, nil},
		{"no kid, two keys", newKeys(t, a, b), "", auth.HS256, nil},
		{"no kid, one key of that algorithm", newKeys(t, rs, es), "", auth.ES256, es},
		{"no kid, a key without one", newKeys(t, a, bare), "", auth.HS256, bare},
		{"no kid, a key without one, the other way", newKeys(t, bare, a), "", auth.HS256, bare},
		{"no kid, a key without one behind two others", newKeys(t, a, b, bare), "", auth.HS256, bare},
		{"the only key, no kid", newKeys(t, a), "", auth.HS256, a},
		{"the only key, another kid", newKeys(t, a), "b", auth.HS256, nil},
		{"a lone key without a kid takes any", newKeys(t, bare), "x", auth.HS256, bare},
		{"a kid beside a key without one", newKeys(t, bare, a), "x", auth.HS256, nil},
		{"the kid of another algorithm", newKeys(t, rs, es), "rs", auth.ES256, nil},
		{"the zero set", &auth.Keys{}, "", auth.HS256, nil},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			got, err := tt.set.Key(t.Context(), tt.kid, tt.alg)
			assert.Same(t, tt.want, got)
			if tt.want == nil {
				assert.ErrorIs(t, err, auth.ErrUnknownKey)
			}
		})
	}
}

func TestKeysPublishPublicKeysOnly(t *testing.T) {
	keys := privateKeys(t)
	es, err := auth.NewKey(auth.ES256, "es", keys[auth.ES256])
	require.NoError(t, err)
	rs, err := auth.NewKey(auth.RS256, "rs", keys[auth.RS256])
	require.NoError(t, err)
	get := func(h http.Handler, method string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
		return w
	}
	w := get(newKeys(t, es, rs), http.MethodGet)
	assert.Equal(t, "application/jwk-set+json", w.Header().Get("Content-Type"))
	var set struct{ Keys []map[string]string }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
	require.Len(t, set.Keys, 2)
	for i, want := range []map[string]string{
		{"kty": "EC", "alg": "ES256", "use": "sig", "kid": "es", "crv": "P-256"},
		{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rs", "e": "AQAB"},
	} {
		for name, value := range want {
			assert.Equal(t, value, set.Keys[i][name])
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			assert.NotContains(t, set.Keys[i], private)
		}
	}
	assert.JSONEq(t, `{"keys":[]}`, get(newKeys(t, newKey(t)), http.MethodGet).Body.String(), "a secret is no public key")
	assert.JSONEq(t, `{"keys":[]}`, get(&auth.Keys{}, http.MethodHead).Body.String())
	w = get(newKeys(t, es), http.MethodPost)
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
}

func TestAServiceNeedsAKeyThatSigns(t *testing.T) {
	key, err := auth.ParseKey(auth.RS256, "", recorded(t, "rsa_public"))
	require.NoError(t, err)
	_, err = session.New(session.Config{Tokens: signedBy(newKeys(t, key)), Users: people{}, Sessions: session.NewMemoryStore(0)})
	assert.Equal(t, "Tokens.Keys: mismatch", conferrtest.Text(err))
}

func TestTypedAccessTokensAreIssued(t *testing.T) {
	tokens := signedBy(newKeys(t, newKey(t)))
	tokens.HeaderTypes, tokens.Issuer, tokens.Audiences = []string{"at+jwt"}, "https://issuer.example", []string{"api"}
	tokens.SubjectClaim = "sub"
	v, err := auth.NewVerifier(tokens)
	require.NoError(t, err)
	s := newService(t, tokens)
	pair, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(pair.Access, b64(`{"alg":"HS256","typ":"at+jwt"}`)+"."))
	assert.Contains(t, payload(t, pair.Access), `"aud":"api","iss":"https://issuer.example"}`)
	_, err = v.Verify(t.Context(), pair.Access, auth.Access)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), pair.Refresh)
	assert.NoError(t, err)
}

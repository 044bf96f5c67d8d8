package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
)

var shell session // without variables

// must runs a command that goes well.
func must(t *testing.T, text string, args ...string) string {
	t.Helper()
	status, out, errOut := shell.do(t, text, args...)
	require.Equal(t, exitClean, status, errOut)
	return out
}

func TestAKeyOfEachAlgorithmIsMadeConvertedAndPublished(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			made := filepath.Join(dir, "made")
			must(t, "", "keys", "make", "-alg", alg, "-to", "jwk", "-o", made)
			info, err := os.Stat(made)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			status, _, errOut := shell.do(t, "", "keys", "make", "-alg", alg, "-o", made)
			assert.Equal(t, exitError, status, "a key that is there is not written over")
			assert.Contains(t, errOut, "exists")

			text, err := os.ReadFile(made)
			require.NoError(t, err)
			key, err := auth.ParseKey(auth.Algorithm(alg), "", text)
			require.NoError(t, err)
			require.True(t, jose.CanSign(key))
			if alg == "HS256" {
				status, _, errOut = shell.do(t, "", "keys", "publish", made)
				assert.Equal(t, exitError, status)
				assert.Contains(t, errOut, "no public key")
				return
			}
			pem := must(t, "", "keys", "convert", made)
			back := must(t, pem, "keys", "convert", "-alg", alg, "-to", "jwk", "-")
			assert.JSONEq(t, string(text), back, "there and back")

			public := must(t, "", "keys", "convert", "-public", made)
			assert.Contains(t, public, "PUBLIC KEY")
			set := must(t, "", "keys", "publish", made)
			assert.Contains(t, set, key.ID())
			var secret jwk
			require.NoError(t, json.Unmarshal(text, &secret))
			assert.NotContains(t, set, secret.D, "no private member")
		})
	}
}

func TestRotationKeepsTheOldKeyAndPublishesBoth(t *testing.T) {
	dir := t.TempDir()
	name, old := filepath.Join(dir, "key.pem"), filepath.Join(dir, "old.pem")
	must(t, "", "keys", "make", "-o", name)
	before, err := os.ReadFile(name)
	require.NoError(t, err)
	set := must(t, "", "keys", "rotate", "-old", old, name)
	var doc struct{ Keys []jwk }
	require.NoError(t, json.Unmarshal([]byte(set), &doc))
	assert.Len(t, doc.Keys, 2)
	kept, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Equal(t, before, kept)
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.NotEqual(t, before, after)

	status, _, _ := shell.do(t, "", "keys", "rotate", "-old", old, name)
	assert.Equal(t, exitError, status, "the old key that is there stays")
	again, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, after, again, "and so does the new one")
}

func TestWhatIsNoKeyIsToldWithoutShowingIt(t *testing.T) {
	for _, text := range []string{"hunter2", `{"kty":"EC","crv":"P-256","x":"hunter2","y":"x","d":"x"}`, `{"kty":"OKP","crv":"Ed25519","x":"hunter2"}`, `{"kty":"hunter2"}`, "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n", `{"kty":"RSA","n":"hunter2","e":"AQAB","d":"eA","p":"eA","q":"eA"}`} {
		status, out, errOut := shell.do(t, text, "keys", "convert", "-")
		assert.Equal(t, exitError, status, text)
		assert.NotContains(t, out+errOut, "hunter2")
	}
}

// token signs claims with the key in a file.
func signed(t *testing.T, file, claims string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	key, err := parseKey(text, "")
	require.NoError(t, err)
	token, err := jose.Mint(t.Context(), key, "JWT", []byte(claims))
	require.NoError(t, err)
	return token
}

func TestATokenIsReadAndVerified(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key.jwk")
	must(t, "", "keys", "make", "-to", "jwk", "-o", file)
	set := must(t, "", "keys", "publish", file)
	jwks := write(t, "jwks.json", set)
	claims := func(exp time.Duration) string {
		text, err := json.Marshal(map[string]any{"sub": "alice", "iss": "shop", "aud": "api", "jti": "1", "token_type": "access", "name": "\x1b[31m", "iat": time.Now().Unix(), "exp": time.Now().Add(exp).Unix()})
		require.NoError(t, err)
		return string(text)
	}
	good := signed(t, file, claims(time.Hour))

	out := must(t, "Bearer "+good+"\n", "token", "decode")
	assert.Contains(t, out, `"sub": "alice"`)
	assert.NotContains(t, out, "\x1b")
	assert.NotContains(t, out, strings.Split(good, ".")[2], "the signature makes it a credential")

	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(set)) }))
	defer srv.Close()
	for _, keys := range []string{jwks, file, srv.URL} {
		out = must(t, good, "token", "verify", "-keys", keys, "-issuer", "shop", "-audience", "api")
		assert.Contains(t, out, "good: subject alice")
	}
	for desc, tt := range map[string]struct {
		token string
		args  []string
		says  string
	}{
		"expired":          {signed(t, file, claims(-time.Hour)), nil, "expired"},
		"altered":          {good[:len(good)-5] + "AAAAA", nil, "signature"},
		"another audience": {good, []string{"-audience", "other"}, "audience"},
		"another issuer":   {good, []string{"-issuer", "other"}, "issuer"},
		"another kind":     {good, []string{"-kind", "refresh"}, "kind"},
		"no token":         {"hunter2", nil, "refused"},
	} {
		t.Run(desc, func(t *testing.T) {
			status, out, errOut := shell.do(t, tt.token, append([]string{"token", "verify", "-keys", jwks, "-issuer", "shop", "-audience", "api"}, tt.args...)...)
			assert.Equal(t, exitFound, status, errOut)
			assert.Contains(t, out, tt.says)
			assert.NotContains(t, out+errOut, tt.token)
		})
	}
	for _, args := range [][]string{{"verify"}, {"verify", good}, {"decode", good}, {"verify", "-issuer", "x", "-audience", "x", "-profile", "nosuch"}, {"verify", "-issuer", "x", "-audience", "x", "-keys", "testdata/nosuch"}} {
		status, out, errOut := shell.do(t, "", append([]string{"token"}, args...)...)
		assert.Equal(t, exitError, status, args)
		assert.NotContains(t, out+errOut, good)
	}
	status, _, _ := shell.do(t, "hunter2", "token", "decode")
	assert.Equal(t, exitError, status)
}

func TestAPIKeysAreMadeCheckedAndFound(t *testing.T) {
	key := strings.TrimSpace(must(t, "", "apikey", "make", "-prefix", "shop_live"))
	assert.Equal(t, "well-formed\n", must(t, key, "apikey", "check", "-prefix", "shop_live"))
	for _, bad := range []string{key[:len(key)-1], key + "x", "shop_test" + key[9:], ""} {
		status, out, _ := shell.do(t, bad, "apikey", "check", "-prefix", "shop_live")
		assert.Equal(t, exitFound, status, bad)
		assert.NotContains(t, out, key[30:])
	}
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", ".b"), 0o700))
	chance := "shop_live_" + strings.Repeat("a", 16) + "_" + strings.Repeat("b", 36)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", ".b", "c"), []byte("first\nkey = \""+key+"\"; "+chance+"\n"), 0o600))
	large := strings.Repeat("x", 1<<20-40) + " " + key + strings.Repeat(" x", 1<<20) // across two pieces
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large"), []byte(large), 0o600))
	for _, prefix := range []string{"shop_live", "other,shop_live", ""} {
		status, out, errOut := shell.do(t, "", "apikey", "scan", "-prefix", prefix, dir)
		assert.Equal(t, exitFound, status, errOut)
		assert.Contains(t, out, filepath.Join("a", ".b", "c")+":2: shop_live_")
		assert.Contains(t, out, "large:1: ")
		assert.Contains(t, out, "2 keys")
		assert.NotContains(t, out, key[27:], "a leak is not leaked again")
	}
	assert.Empty(t, must(t, "", "apikey", "scan", "-prefix", "other", dir))
}

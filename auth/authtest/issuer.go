package authtest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// An Issuer is a fake identity provider for tests. It responds as every [Vendor]
// does, each below a path of its own: with metadata, one JWK set, and tokens in
// the vendor's shape. It is safe for concurrent use, and an [http.Handler], for a
// test that has a server of its own; most call [NewIssuer].
type Issuer struct {
	tb   testing.TB
	base string

	mu    sync.Mutex
	keys  []signingKey // the last one signs
	made  int
	alien *rsa.PrivateKey // that the set never had
}

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// NewIssuer starts an Issuer on a loopback address, for the time of the test. Its
// key is a new RSA key of 2048 bits.
func NewIssuer(tb testing.TB) *Issuer {
	tb.Helper()
	i := &Issuer{tb: tb}
	i.Rotate()
	server := httptest.NewServer(i)
	tb.Cleanup(server.Close)
	i.base = server.URL
	return i
}

// Rotate makes a new key, which signs from now on. The old ones stay in the JWK
// set, so their tokens stay good.
func (i *Issuer) Rotate() {
	i.tb.Helper()
	key := newRSA(i.tb)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	i.keys = append(i.keys, signingKey{"key-" + strconv.Itoa(i.made), key})
}

// Withdraw takes every key but the newest out of the JWK set. Verifiers learn of
// it when they fetch the set again.
func (i *Issuer) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// signing returns the key that signs.
func (i *Issuer) signing() signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// foreign returns a key that is not in the set.
func (i *Issuer) foreign() *rsa.PrivateKey {
	i.tb.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.alien == nil {
		i.alien = newRSA(i.tb)
	}
	return i.alien
}

func newRSA(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// Sign returns a token with that header and those claims, whatever they are,
// signed with RS256 by the newest key. The header gets alg and kid where it has
// none.
func (i *Issuer) Sign(header, claims map[string]any) string {
	i.tb.Helper()
	return i.signWith(i.signing(), header, claims)
}

func (i *Issuer) signWith(k signingKey, header, claims map[string]any) string {
	i.tb.Helper()
	input := i.input(map[string]any{"alg": "RS256", "kid": k.id}, header, claims)
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	if err != nil {
		i.tb.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// input returns what is signed.
func (i *Issuer) input(fallback, header, claims map[string]any) string {
	i.tb.Helper()
	return i.segment(with(fallback, header)) + "." + i.segment(claims)
}

func (i *Issuer) segment(v map[string]any) string {
	i.tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		i.tb.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// hmac returns a token that is signed with a secret, by HS256 or HS512.
func (i *Issuer) hmac(alg string, secret []byte, header, claims map[string]any) string {
	i.tb.Helper()
	input := i.input(map[string]any{"alg": alg}, header, claims)
	hash := sha256.New
	if alg == "HS512" {
		hash = sha512.New
	}
	mac := hmac.New(hash, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// publicPEM returns the newest public key as text, which a verifier that
// believes the header's alg takes for a secret (CVE-2015-9235).
func (i *Issuer) publicPEM() []byte {
	i.tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(&i.signing().key.PublicKey)
	if err != nil {
		i.tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

const (
	openIDPath = "/.well-known/openid-configuration"
	oauthPath  = "/.well-known/oauth-authorization-server"
	keysPath   = "/jwks"
)

// KeysURL returns where the JWK set is.
func (i *Issuer) KeysURL() string { return i.base + keysPath }

// ServeHTTP responds for the metadata of each vendor, and for the JWK set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	issuer, ok := i.issuerOf(r.URL.Path)
	switch {
	case r.URL.Path == keysPath:
		_ = json.NewEncoder(w).Encode(i.jwks()) // the client is gone if this fails
	case ok:
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer":                                issuer,
			"jwks_uri":                              i.KeysURL(),
			"authorization_endpoint":                i.base + "/authorize",
			"token_endpoint":                        i.base + "/token",
			"response_types_supported":              []string{"code"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	default:
		http.NotFound(w, r)
	}
}

// issuerOf returns the issuer whose metadata is at a path.
func (i *Issuer) issuerOf(path string) (string, bool) {
	for _, v := range vendors() {
		issuer := i.URL(v)
		switch at := strings.TrimSuffix(strings.TrimPrefix(issuer, i.base), "/"); {
		case issuer == "": // simplejwt publishes nothing
		case v == RFC9068 && path == oauthPath+at: // the metadata of OAuth alone
			return issuer, true
		case v != RFC9068 && path == at+openIDPath:
			return issuer, true
		case (v == Entra || v == EntraV1) && path == strings.Replace(at, Tenant, "common", 1)+openIDPath:
			return strings.Replace(issuer, Tenant, "{tenantid}", 1), true
		}
	}
	return "", false
}

func (i *Issuer) jwks() map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	var list []map[string]any
	for _, k := range i.keys {
		list = append(list, map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.id,
			"n": base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes()),
		})
	}
	return map[string]any{"keys": list}
}

package auth

// This is the only file that knows jwx: another JWK library is a change here.

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// maxJWKBytes bounds the text of one JWK: an RSA private key of 8192 bits
// takes 8 KiB.
const maxJWKBytes = 16 << 10

// parseJWK reads one JWK (RFC 7517) that must be usable for alg, and returns
// its material for [NewKey] and its kid.
func parseJWK(alg Algorithm, text []byte) (material any, kid string, err error) {
	invalid := keyMistake("pemOrJWK", ReasonInvalid, "")
	if len(text) > maxJWKBytes || checkObject(string(text)) != nil {
		return nil, "", invalid // jwx would take the last of two members with one name
	}
	key, err := jwk.ParseKey(text)
	if err != nil {
		return nil, "", invalid // without err: it may quote the key
	}
	if !usable(key, alg) {
		return nil, "", keyMistake("pemOrJWK", ReasonConflict, "")
	}
	if err := key.Raw(&material); err != nil {
		return nil, "", invalid
	}
	return material, key.KeyID(), nil
}

// usable says whether what a JWK tells of itself (use, key_ops, alg: RFC 7517
// sections 4.2 to 4.4) allows signatures with alg.
func usable(key jwk.Key, alg Algorithm) bool {
	if use := key.KeyUsage(); use != "" && use != string(jwk.ForSignature) {
		return false
	}
	if ops := key.KeyOps(); len(ops) > 0 && !slices.Contains(ops, jwk.KeyOpVerify) && !slices.Contains(ops, jwk.KeyOpSign) {
		return false
	}
	named := key.Algorithm().String()
	return named == "" || named == string(alg)
}

// thumbprint returns the RFC 7638 SHA-256 thumbprint of a public key.
func thumbprint(public crypto.PublicKey) (string, error) {
	key, err := jwk.FromRaw(public)
	if err != nil {
		return "", err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// publicSet writes the public keys among keys as a JWK set. An HMAC secret
// never is one, and a private key is left out by construction: only the public
// half is handed to jwx.
func publicSet(keys []*Key) ([]byte, error) {
	set := jwk.NewSet()
	for _, k := range keys {
		if k.symmetric() {
			continue
		}
		key, err := jwk.FromRaw(k.m.public)
		if err != nil {
			return nil, err
		}
		for _, member := range []struct {
			name  string
			value any
		}{
			{jwk.KeyIDKey, k.kid},
			{jwk.AlgorithmKey, string(k.alg)},
			{jwk.KeyUsageKey, jwk.ForSignature},
		} {
			if err := key.Set(member.name, member.value); err != nil {
				return nil, err
			}
		}
		if err := set.AddKey(key); err != nil {
			return nil, err
		}
	}
	return json.Marshal(set)
}

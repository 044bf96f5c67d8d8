package jose

// This is the only file that knows jwx: another JWK library is a change here.

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// maxJWKBytes bounds the text of one JWK: an RSA private key of 8192 bits
// takes 8 KiB.
const maxJWKBytes = 16 << 10

// parseJWK reads one JWK (RFC 7517) that must be usable for alg, and returns
// its material for [NewKey] and its kid.
func parseJWK(alg Algorithm, text []byte) (material any, kid string, err error) {
	invalid := textMistake(rampart.ReasonInvalid, "a JWK is one JSON object with the members of its kty, of at most 16 KiB")
	isSet := false
	if len(text) > maxJWKBytes || strictjson.NewReader().Object(string(text), func(name, _ string) error {
		isSet = isSet || name == "keys"
		return nil
	}) != nil {
		return nil, "", invalid // jwx would take the last of two members with one name
	}
	if isSet {
		return nil, "", textMistake(rampart.ReasonInvalid, `this is a JWK set; give one JWK of its list "keys"`)
	}
	key, err := jwk.ParseKey(text)
	if err != nil {
		return nil, "", invalid // without err: it may quote the key
	}
	if !usable(key, alg) {
		return nil, "", textMistake(rampart.ReasonConflict, "the JWK's alg, use and key_ops must allow signatures with the given algorithm, or be absent")
	}
	if err := key.Raw(&material); err != nil {
		return nil, "", invalid
	}
	return material, key.KeyID(), nil
}

var errLongKey = errors.New("auth: the key is too long")

// publicOf returns the key of a JWK that has nothing but its public members.
func publicOf(text string) (crypto.PublicKey, error) {
	if len(text) > maxJWKBytes {
		return nil, errLongKey
	}
	key, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return nil, err
	}
	var public any
	err = key.Raw(&public)
	return public, err
}

// usable reports whether what a JWK tells of itself (use, key_ops, alg: RFC 7517
// sections 4.2 to 4.4) allows signatures with alg.
func usable(key jwk.Key, alg Algorithm) bool {
	if use := key.KeyUsage(); use != "" && use != string(jwk.ForSignature) {
		return false
	}
	named := key.Algorithm().String()
	return operable(key) && (named == "" || named == string(alg))
}

// operable holds key_ops against what the key is used for here: a public key
// verifies, a private one signs, and a secret does both. An operation that comes
// twice must not be there, and those of another purpose should not, nor may they
// contradict use (RFC 7517 section 4.3).
func operable(key jwk.Key) bool {
	ops := key.KeyOps()
	pair, asymmetric := key.(jwk.AsymmetricKey)
	switch {
	case ops == nil:
		return true
	case len(ops) == 2: // these two, each once
		return slices.Contains(ops, jwk.KeyOpSign) && slices.Contains(ops, jwk.KeyOpVerify)
	case len(ops) == 1 && asymmetric && pair.IsPrivate():
		return ops[0] == jwk.KeyOpSign
	case len(ops) == 1 && asymmetric:
		return ops[0] == jwk.KeyOpVerify
	default:
		return false
	}
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

// PublicSet writes the public keys among keys as a JWK set. An HMAC secret
// never is one, and a private key is left out by construction: only the public
// half is handed to jwx.
func PublicSet(keys []*Key) ([]byte, error) {
	set := jwk.NewSet()
	for _, k := range keys {
		if Symmetric(k) {
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

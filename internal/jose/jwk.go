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
	if len(text) > maxJWKBytes || strictjson.NewReader().Object(string(text), func(string, string) error { return nil }) != nil {
		return nil, "", invalid // jwx would take the last of two members with one name
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

var errNotJWKSet = errors.New("auth: not a JWK set, or one with a key id twice")

// Errors of [ParseSet] with which a set withdraws all keys.
var (
	ErrNoUsableKey     = errors.New("auth: the JWK set has no usable key")
	ErrPublishedSecret = errors.New("auth: the JWK set shows a private key or a secret")
)

// ParseSet returns the keys of a published JWK set (RFC 7517 section 5) that
// fit one of algs. What is unknown, unfit, weak or malformed is skipped, as
// section 5 has it; a private key or a secret spoils the set.
func ParseSet(algs []Algorithm, text string) ([]*Key, error) {
	list, ok := "", false
	if err := strictjson.NewReader().Object(text, func(name, value string) error {
		if name == "keys" {
			list, ok = value, true
		}
		return nil
	}); err != nil || !ok {
		return nil, errNotJWKSet
	}
	texts, ok := strictjson.ValuesOf(list)
	if !ok {
		return nil, errNotJWKSet
	}
	var keys []*Key
	for _, text := range texts {
		if showsSecret(text) {
			return nil, ErrPublishedSecret
		}
		key := fittingKey(algs, text)
		if key == nil {
			continue
		}
		if slices.ContainsFunc(keys, func(k *Key) bool { return k.kid == key.kid }) {
			return nil, errNotJWKSet // which of them would sign?
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, ErrNoUsableKey
	}
	return keys, nil
}

// fittingKey returns a JWK as a key of the first algorithm that it can be used
// with, or nil.
func fittingKey(algs []Algorithm, text string) *Key {
	for _, alg := range algs {
		material, kid, err := parseJWK(alg, []byte(text))
		if err != nil {
			continue
		}
		if key, err := NewKey(alg, kid, material); err == nil {
			return key
		}
	}
	return nil
}

// showsSecret reports whether a JWK of any type has a member that must not be
// published (RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037 section 2).
func showsSecret(text string) bool {
	secret := false
	_ = strictjson.NewReader().Object(text, func(name, value string) error { // what is no object is skipped later
		switch name {
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
			secret = true
		case "kty":
			kty, _ := strictjson.StringOf(value)
			secret = secret || kty == "oct"
		}
		return nil
	})
	return secret
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

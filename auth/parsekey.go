package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
)

// ParseKey is [NewKey] for a key in text: a JWK (RFC 7517) or one PEM block
// (PKCS #8, PKCS #1, SEC 1, PKIX). An empty kid means the JWK's own, and else
// what NewKey says. A JWK whose use, key_ops or alg contradict alg is refused,
// as is anything after the key. An HMAC secret is not in PEM: give its bytes
// to NewKey.
func ParseKey(alg Algorithm, kid string, pemOrJWK []byte) (*Key, error) {
	text := bytes.TrimSpace(pemOrJWK)
	if len(text) > 0 && text[0] == '{' {
		material, own, err := parseJWK(alg, text)
		if err != nil {
			return nil, err
		}
		if kid == "" {
			kid = own
		}
		return NewKey(alg, kid, material)
	}
	material := parsePEM(text)
	if material == nil {
		return nil, keyMistake("pemOrJWK", ReasonInvalid, "")
	}
	return NewKey(alg, kid, material)
}

// parsePEM returns nil for whatever is not exactly one key. It goes by what the
// block says it is, and never tries one form after the other.
func parsePEM(text []byte) any {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 || !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	}
	if err != nil {
		return nil
	}
	return key
}

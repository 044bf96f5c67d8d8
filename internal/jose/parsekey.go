package jose

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// ParseKey is auth.ParseKey.
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
	material, want := parsePEM(text)
	if material == nil {
		return nil, textMistake(rampart.ReasonInvalid, want)
	}
	return NewKey(alg, kid, material)
}

// textMistake is a mistake in the text of a key, which it never tells.
func textMistake(reason rampart.Reason, want string) error {
	return conferr.New("auth.ParseKey", "pemOrJWK", reason, nil, want)
}

// parsePEM returns nil for whatever is not exactly one key, and says what would
// be right. It goes by what the block says it is, and never tries one form after
// the other. "openssl ecparam -genkey" writes the name of the curve into a block
// before the key, which names it again: that block is skipped.
func parsePEM(text []byte) (key any, want string) {
	block, rest := firstPEM(text)
	if block != nil && block.Type == "EC PARAMETERS" {
		if block, rest = firstPEM(rest); block != nil && block.Type != "EC PRIVATE KEY" {
			block = nil
		}
	}
	if block == nil || len(rest) > 0 {
		return nil, "give one PEM block, from -----BEGIN to -----END, with nothing around it, or a JWK; the bytes of an HMAC secret go to NewKey"
	}
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
	case "CERTIFICATE":
		return nil, `this is a certificate; "openssl x509 -pubkey -noout" prints its public key`
	case "ENCRYPTED PRIVATE KEY":
		return nil, `this key is encrypted; "openssl pkey" prints it decrypted`
	default:
		return nil, "the block must be a PRIVATE KEY, PUBLIC KEY, RSA PRIVATE KEY, RSA PUBLIC KEY or EC PRIVATE KEY"
	}
	if err != nil { // without err: it may quote the key
		return nil, "the block does not hold the key that its first line names; export it again"
	}
	return key, ""
}

// firstPEM returns the block with which text begins, and the text behind it,
// without white space around it.
func firstPEM(text []byte) (*pem.Block, []byte) {
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil, nil
	}
	block, rest := pem.Decode(text)
	return block, bytes.TrimSpace(rest)
}

package jose

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"

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
		if len(rest) == 0 {
			return nil, `this names a curve and holds no key; "openssl ecparam -genkey -noout -name prime256v1" makes one`
		}
		if block, rest = firstPEM(rest); block != nil && block.Type != "EC PRIVATE KEY" {
			block = nil
		}
	}
	switch {
	case block == nil:
		return nil, notPEM(text)
	case len(rest) > 0:
		return nil, wantOneBlock + "; this goes on after the first one"
	case strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, wantDecrypted
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
		return nil, wantDecrypted
	case "OPENSSH PRIVATE KEY":
		return nil, `this is a key of OpenSSH; "openssl genpkey" makes one for tokens`
	case "RSA-PSS PRIVATE KEY":
		return nil, wantPlainRSA
	default:
		return nil, "the block must be a PRIVATE KEY, PUBLIC KEY, RSA PRIVATE KEY, RSA PUBLIC KEY or EC PRIVATE KEY"
	}
	if err != nil {
		return nil, unread(block.Bytes, err)
	}
	return key, ""
}

// What is wrong with many a text.
const (
	wantOneBlock  = "give one PEM block, from -----BEGIN to -----END, with nothing around it, or a JWK; the bytes of an HMAC secret go to NewKey"
	wantDecrypted = `this key is encrypted; "openssl pkey" prints it decrypted`
	wantPlainRSA  = `this RSA key is of the type RSASSA-PSS, which is not supported; "openssl genpkey -algorithm RSA" makes one that PS256 takes too`
)

// notPEM says what a text is that does not begin with a block.
func notPEM(text []byte) string {
	switch {
	case len(text) == 0:
		return wantOneBlock + "; this is empty"
	case text[0] == derSequence && len(text) > 2 && (text[1] == 0x82 || int(text[1]) == len(text)-2):
		return `this is DER; "openssl pkey -inform DER", with -pubin for a public key, prints it as PEM`
	case bytes.HasPrefix(text, []byte("ssh-")) || bytes.HasPrefix(text, []byte("ecdsa-sha2-")):
		return `this is a public key of OpenSSH; "ssh-keygen -e -m PKCS8 -f FILE" prints it as PEM`
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return wantOneBlock + "; this has text around its blocks, or a block that is damaged"
	default:
		return wantOneBlock
	}
}

// derSequence is the first byte of a key in DER.
const derSequence = 0x30

// oidPSS is the type of a key for RSASSA-PSS alone (RFC 8017 appendix C) in DER.
const oidPSS = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"

// unread says why a block could not be read: without err, which may quote the key.
func unread(der []byte, err error) string {
	switch why := err.Error(); {
	case bytes.Contains(der[:min(len(der), 64)], []byte(oidPSS)):
		return wantPlainRSA
	case strings.Contains(why, "use Parse"):
		return `the block holds a key in another form than its first line names; "openssl pkey" prints it as it should be`
	case strings.Contains(why, "curve"):
		return "the key is on a curve that is not supported; use P-256, P-384 or P-521"
	case strings.Contains(why, "unknown algorithm") || strings.Contains(why, "unknown public key algorithm"):
		return "the key is of a type that is not supported; use RSA, ECDSA or Ed25519"
	default:
		return "the block does not hold the key that its first line names; export it again"
	}
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

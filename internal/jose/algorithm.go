package jose

import (
	"crypto"
	"crypto/elliptic"
	_ "crypto/sha256" // crypto.SHA256
	_ "crypto/sha512" // crypto.SHA384 and crypto.SHA512
)

// An Algorithm is an auth.Algorithm.
type Algorithm string

// The algorithms.
const (
	HS256 Algorithm = "HS256"
	HS384 Algorithm = "HS384"
	HS512 Algorithm = "HS512"
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA" // Ed25519 only
)

// fullySpecified is the name that RFC 9864 gives to what EdDSA stands for here.
const fullySpecified Algorithm = "Ed25519"

// Known reports whether a is one of the above.
func Known(a Algorithm) bool {
	f, _ := scheme(a)
	return f != unknownFamily
}

// IsHMAC reports whether the keys of a are secrets.
func IsHMAC(a Algorithm) bool {
	f, _ := scheme(a)
	return f == familyHMAC
}

type family uint8

const (
	unknownFamily family = iota
	familyHMAC
	familyRSA
	familyPSS
	familyECDSA
	familyEd25519
)

// scheme returns what a stands for; unknownFamily for anything else.
func scheme(a Algorithm) (family, crypto.Hash) {
	switch a {
	case HS256:
		return familyHMAC, crypto.SHA256
	case HS384:
		return familyHMAC, crypto.SHA384
	case HS512:
		return familyHMAC, crypto.SHA512
	case RS256:
		return familyRSA, crypto.SHA256
	case RS384:
		return familyRSA, crypto.SHA384
	case RS512:
		return familyRSA, crypto.SHA512
	case PS256:
		return familyPSS, crypto.SHA256
	case PS384:
		return familyPSS, crypto.SHA384
	case PS512:
		return familyPSS, crypto.SHA512
	case ES256:
		return familyECDSA, crypto.SHA256
	case ES384:
		return familyECDSA, crypto.SHA384
	case ES512:
		return familyECDSA, crypto.SHA512
	case EdDSA:
		return familyEd25519, 0
	default:
		return unknownFamily, 0
	}
}

// curve returns the one curve that an ES algorithm may use (RFC 7518 section 3.4).
func curve(a Algorithm) elliptic.Curve {
	switch a {
	case ES256:
		return elliptic.P256()
	case ES384:
		return elliptic.P384()
	default:
		return elliptic.P521()
	}
}

package auth

import (
	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/jose"
)

// An Algorithm is a JWS algorithm (RFC 7518 section 3.1, RFC 8037). A key is
// bound to one; what a token's header says only helps to find the key. There
// is no "none" and no RSAES (RFC 8725 section 3.2).
type Algorithm = jose.Algorithm

// The algorithms.
const (
	HS256 = jose.HS256
	HS384 = jose.HS384
	HS512 = jose.HS512
	RS256 = jose.RS256
	RS384 = jose.RS384
	RS512 = jose.RS512
	PS256 = jose.PS256
	PS384 = jose.PS384
	PS512 = jose.PS512
	ES256 = jose.ES256
	ES384 = jose.ES384
	ES512 = jose.ES512
	EdDSA = jose.EdDSA // Ed25519 only
)

// A Key is key material bound to one [Algorithm] and one key id, which its methods
// Algorithm and ID return. It is immutable and safe for concurrent use, and prints
// without its material: with fmt, as JSON and in a log. Create one with [NewKey]
// or [ParseKey]; the zero Key verifies and signs nothing.
type Key = jose.Key

// ReasonMismatch is a [rampart.ConfigError]'s: a key is of another kind than its
// use needs.
const ReasonMismatch rampart.Reason = jose.ReasonMismatch

// NewKey binds key material to alg and kid. The material is a []byte for HMAC,
// and else a pointer to an [rsa.PrivateKey], [rsa.PublicKey],
// [ecdsa.PrivateKey] or [ecdsa.PublicKey], an [ed25519.PrivateKey] or
// [ed25519.PublicKey], or any other [crypto.Signer], whose Public returns one of
// those public keys: a key in hardware or at a cloud's KMS, which stays there.
//
// An empty kid means the RFC 7638 thumbprint of the public key. An HMAC key
// has no public key, so its kid then stays empty, as in simplejwt: such a key
// stands alone or beside keys that have one.
//
// Refused are an HMAC secret shorter than its hash (RFC 7518 section 3.2), an
// RSA modulus under 2048 or over 8192 bits, a curve that does not fit the
// algorithm, and an invalid point; each mistake is a [*rampart.ConfigError].
//
// A private key signs once, to show that it belongs to the public one. A Signer must
// be safe for concurrent use; it gets a digest (for EdDSA the whole text) and the
// options of [crypto.Signer]; for ECDSA it returns the ASN.1 form. It is asked once
// here and once for each token, and what it returns is verified. If it fails, so does
// what needed the token.
func NewKey(alg Algorithm, kid string, material any) (*Key, error) {
	return jose.NewKey(alg, kid, material)
}

// A ContextSigner is a [crypto.Signer] that signs over a network. For a token the key
// of [NewKey] calls SignContext, in place of Sign, with the context of the request
// that needs it: it should return when that ends. NewKey itself calls Sign, which
// should have a time limit of its own.
type ContextSigner = jose.ContextSigner

// ParseKey is [NewKey] for a key in text: a JWK (RFC 7517) or one PEM block
// (PKCS #8, PKCS #1, SEC 1 also behind the block EC PARAMETERS of openssl, PKIX).
// An empty kid means the JWK's own, and else what NewKey says. A JWK whose use,
// key_ops or alg contradict alg is refused, as is anything after the key. An HMAC
// secret is not in PEM: give its bytes to NewKey. The error says what the text seems
// to be, never what is in it.
func ParseKey(alg Algorithm, kid string, pemOrJWK []byte) (*Key, error) {
	return jose.ParseKey(alg, kid, pemOrJWK)
}

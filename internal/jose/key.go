package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"fmt"
	"hash"
	"log/slog"
	"math/big"
	"slices"
	"sync"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// minRSABits is the smallest modulus that is accepted (RFC 7518 section 3.3).
const minRSABits = 2048

// maxRSABits bounds what one verification may cost.
const maxRSABits = 8192

// A Key is an auth.Key.
type Key struct {
	alg Algorithm
	kid string
	iss string    // see [IssuerOf]
	m   *material // behind a pointer, so that a printed copy of a Key shows an address
}

// material is what signs and verifies. One of secret and public is set.
type material struct {
	alg     Algorithm
	family  family
	hash    crypto.Hash
	secret  []byte
	public  crypto.PublicKey
	private crypto.Signer // nil: verifies only
	foreign bool          // private is no key of the standard library
	macs    sync.Pool     // of *macState, for secret
	digests sync.Pool     // of *macState, for public
	header  string        // first segment of the tokens it signs
	sigSize int           // bytes
}

// macState is one reusable hash with room for its sum: a fresh HMAC would cost
// five allocations for each token.
type macState struct {
	hash hash.Hash
	sum  [64]byte
}

// IsPublished reports whether the secret of k is one that Django's startproject has
// written into a file of the project, and so into its repository.
func IsPublished(k *Key) bool {
	return k != nil && k.m != nil && bytes.HasPrefix(k.m.secret, []byte("django-insecure-"))
}

// NewKey is auth.NewKey.
func NewKey(alg Algorithm, kid string, material any) (*Key, error) {
	m, err := newMaterial(alg, material)
	if err != nil {
		return nil, err
	}
	if len(kid) > maxKidBytes || !isPrintable(kid) {
		return nil, keyMistake("kid", rampart.ReasonInvalid, kid, "a key id is printable ASCII of at most 128 bytes")
	}
	return bind(alg, kid, m)
}

// bind makes a key of m. An empty kid becomes the thumbprint of a public key.
func bind(alg Algorithm, kid string, m *material) (*Key, error) {
	if kid == "" && m.family != familyHMAC {
		var err error
		if kid, err = thumbprint(m.public); err != nil {
			return nil, m.mistake(rampart.ReasonInvalid)
		}
	}
	m.header = headerSegment(alg, kid, TypeJWT)
	return &Key{alg: alg, kid: kid, m: m}, nil
}

// maxKidBytes bounds a key id: it is repeated in the header of every token.
const maxKidBytes = 128

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func newMaterial(alg Algorithm, key any) (*material, error) {
	m := &material{alg: alg}
	m.family, m.hash = scheme(alg)
	if m.family == unknownFamily {
		return nil, keyMistake("alg", rampart.ReasonInvalid, alg, WantAlgorithm)
	}
	reason := ReasonMismatch
	switch key := key.(type) {
	case []byte:
		if m.family == familyHMAC {
			m.secret, reason = slices.Clone(key), checkSecret(key, m.hash)
		}
	case *rsa.PrivateKey:
		if key != nil && (m.family == familyRSA || m.family == familyPSS) {
			m.private, m.public, reason = key, copyRSA(&key.PublicKey), checkRSA(&key.PublicKey)
			if reason == "" && key.Validate() != nil {
				reason = rampart.ReasonInvalid
			}
		}
	case *ecdsa.PrivateKey:
		if key != nil && m.family == familyECDSA {
			m.private, m.public, reason = key, &key.PublicKey, checkECDSA(&key.PublicKey, alg)
			if _, err := key.ECDH(); reason == "" && err != nil {
				reason = rampart.ReasonInvalid
			}
		}
	case ed25519.PrivateKey:
		if m.family == familyEd25519 && len(key) == ed25519.PrivateKeySize {
			private := slices.Clone(key)
			m.private, m.public, reason = private, private.Public(), ""
		}
	case crypto.Signer:
		m.private, m.foreign = key, true
		reason = m.setPublic(key.Public())
	default:
		reason = m.setPublic(key)
	}
	if reason == ReasonMismatch {
		return nil, m.mismatch(key)
	}
	if reason != "" {
		return nil, m.mistake(reason)
	}
	m.sigSize = m.signatureSize()
	m.macs.New = func() any { return &macState{hash: hmac.New(m.hash.New, m.secret)} }
	m.digests.New = func() any { return &macState{hash: m.hash.New()} }
	if m.private != nil {
		if err := m.probe(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// WantAlgorithm says which algorithms there are.
const WantAlgorithm = "use a constant of package auth, such as HS256, RS256, ES256 or EdDSA"

// keyMistake is a mistake in a parameter of [NewKey].
func keyMistake(param string, reason rampart.Reason, value any, want string) error {
	return conferr.New("auth.NewKey", param, reason, value, want)
}

// mistake says what is wrong with material of the right kind. It never tells what it
// got.
func (m *material) mistake(reason rampart.Reason) error {
	var want string
	switch {
	case reason == rampart.ReasonInvalid:
		want = "the parts of this key do not belong together; export it again, or make a new one"
	case reason == rampart.ReasonWeak && m.family == familyHMAC:
		want = fmt.Sprintf(`%s needs a random secret of at least %d bytes; "openssl rand -base64 48" prints one`, m.alg, m.hash.Size())
	default:
		want = "an RSA key has 2048 to 8192 bits, and no library with the ROCA flaw made it"
	}
	return keyMistake("material", reason, nil, want)
}

// mismatch says what kind of material m.alg takes, and which it got.
func (m *material) mismatch(key any) error {
	var want string
	switch m.family {
	case familyHMAC:
		want = "the secret as a []byte"
	case familyECDSA:
		want = "an *ecdsa.PrivateKey or *ecdsa.PublicKey on the curve " + curve(m.alg).Params().Name
	case familyEd25519:
		want = "an ed25519.PrivateKey or ed25519.PublicKey"
	default:
		want = "an *rsa.PrivateKey or *rsa.PublicKey"
	}
	return keyMistake("material", ReasonMismatch, nil, string(m.alg)+" takes "+want+"; this is "+kindOf(key))
}

// kindOf says what a key is, without what is in it.
func kindOf(key any) string {
	switch key := key.(type) {
	case nil:
		return "nil"
	case []byte:
		return "a []byte"
	case *ecdsa.PrivateKey:
		if key != nil && key.Curve != nil {
			return "an *ecdsa.PrivateKey on " + key.Curve.Params().Name
		}
	case *ecdsa.PublicKey:
		if key != nil && key.Curve != nil {
			return "an *ecdsa.PublicKey on " + key.Curve.Params().Name
		}
	case *rsa.PrivateKey, ed25519.PrivateKey:
	case crypto.Signer:
		return fmt.Sprintf("a %T with %s", key, kindOf(key.Public()))
	}
	return fmt.Sprintf("a %T", key)
}

func copyRSA(k *rsa.PublicKey) *rsa.PublicKey {
	if k.N == nil {
		return k
	}
	return &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
}

// checkSecret: a key of the size of the hash output or larger must be used
// (RFC 7518 section 3.2, RFC 8725 section 3.5: no password is one).
func checkSecret(secret []byte, h crypto.Hash) rampart.Reason {
	if len(secret) < h.Size() {
		return rampart.ReasonWeak
	}
	return ""
}

func checkRSA(k *rsa.PublicKey) rampart.Reason {
	switch {
	case k.N == nil || k.N.Sign() <= 0 || k.N.Bit(0) == 0 || k.E < 3 || k.E&1 == 0:
		return rampart.ReasonInvalid
	case k.N.BitLen() < minRSABits || k.N.BitLen() > maxRSABits:
		return rampart.ReasonWeak
	case isROCA(k.N):
		return rampart.ReasonWeak
	default:
		return ""
	}
}

func checkECDSA(k *ecdsa.PublicKey, alg Algorithm) rampart.Reason {
	if k.Curve != curve(alg) {
		return ReasonMismatch
	}
	if _, err := k.ECDH(); err != nil { // the point is not on the curve (RFC 8725 section 3.4)
		return rampart.ReasonInvalid
	}
	return ""
}

// Algorithm returns the algorithm that k is bound to.
func (k *Key) Algorithm() Algorithm { return k.alg }

// ID returns the key id; empty for an HMAC key without one.
func (k *Key) ID() string { return k.kid }

// IssuerOf returns the issuers, with spaces between them, that a JWK set names for k
// alone; "" if it names none.
func IssuerOf(k *Key) string { return k.iss }

// Made reports whether k was made by [NewKey] or [ParseKey].
func Made(k *Key) bool { return k != nil && k.m != nil }

// Symmetric reports whether a party that can verify with k can also sign.
func Symmetric(k *Key) bool { return k.m != nil && k.m.family == familyHMAC }

// SamePublic reports whether k and other have one public key.
func SamePublic(k, other *Key) bool {
	public, ok := k.m.public.(interface{ Equal(x crypto.PublicKey) bool })
	return ok && public.Equal(other.m.public)
}

// CanSign reports whether k holds a secret or private key.
func CanSign(k *Key) bool {
	return Made(k) && (k.m.secret != nil || k.m.private != nil)
}

// String tells algorithm and id, never the material.
func (k *Key) String() string { return fmt.Sprintf("auth.Key(%s %q REDACTED)", k.alg, k.kid) }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalJSON implements json.Marshaler without the material. To publish
// public keys use auth.Keys.
func (k *Key) MarshalJSON() ([]byte, error) { return []byte(strictjson.Quote(k.String())), nil }

// LogValue implements [slog.LogValuer] without the material.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

package jose

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
)

// Verify reports whether sig is k's signature of input. A token has one signature, and
// that must be good (RFC 8725 section 3.3): one good signature among several is not enough.
func Verify(k *Key, input, sig []byte) bool {
	m := k.m
	if m == nil || len(sig) != m.sigSize { // before the hash of an input that may be long
		return false
	}
	switch m.family {
	case familyHMAC:
		st, _ := m.macs.Get().(*macState)
		defer m.macs.Put(st)
		return hmac.Equal(st.digest(input), sig) // constant time
	case familyEd25519:
		public, ok := m.public.(ed25519.PublicKey)
		return ok && ed25519.Verify(public, input, sig)
	default:
		st, _ := m.digests.Get().(*macState)
		defer m.digests.Put(st)
		return m.verifyDigest(st.digest(input), sig)
	}
}

func (m *material) verifyDigest(digest, sig []byte) bool {
	switch public := m.public.(type) {
	case *rsa.PublicKey:
		if m.family == familyPSS { // RFC 7518 section 3.5: the salt is as long as the hash
			return rsa.VerifyPSS(public, m.hash, digest, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(public, m.hash, digest, sig) == nil
	case *ecdsa.PublicKey:
		size := len(sig) / 2
		// ecdsa.Verify refuses R or S that is zero or not below the order (CVE-2022-21449).
		return ecdsa.Verify(public, digest, new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:]))
	default:
		return false
	}
}

// signatureSize returns how long each signature of m is.
func (m *material) signatureSize() int {
	switch public := m.public.(type) {
	case *rsa.PublicKey:
		return public.Size()
	case *ecdsa.PublicKey: // RFC 7518 section 3.4: R and S at full width, no ASN.1
		return 2 * ((public.Curve.Params().BitSize + 7) / 8)
	case ed25519.PublicKey:
		return ed25519.SignatureSize
	default:
		return m.hash.Size()
	}
}

// digest returns the hash of input. It is overwritten by the next call.
func (st *macState) digest(input []byte) []byte {
	st.hash.Reset()
	st.hash.Write(input)
	return st.hash.Sum(st.sum[:0])
}

// Mint returns the token with claims, a JSON object, that key signs.
func Mint(ctx context.Context, key *Key, typ string, claims []byte) (string, error) {
	if !CanSign(key) {
		return "", errCannotSign
	}
	segment := key.m.header
	if typ != TypeJWT {
		segment = headerSegment(key.alg, key.kid, typ)
	}
	token := base64.RawURLEncoding.AppendEncode(append([]byte(segment), '.'), claims)
	sig, err := Sign(ctx, key, nil, token)
	if err != nil {
		return "", err
	}
	return string(base64.RawURLEncoding.AppendEncode(append(token, '.'), sig)), nil
}

// errCannotSign is for a key that only verifies.
var errCannotSign = errors.New("auth: the key cannot sign")

// Sign appends k's signature of input to dst. Those of keys in memory are
// deterministic, but for PS, so that one session row always makes one refresh token,
// and need no ctx.
func Sign(ctx context.Context, k *Key, dst, input []byte) ([]byte, error) {
	if !CanSign(k) {
		return nil, errCannotSign
	}
	m := k.m
	if m.family == familyHMAC {
		return MAC(k, dst, input), nil
	}
	sig, err := m.signInput(m.signer(ctx), input)
	switch {
	case err != nil:
		return nil, err
	case m.foreign && !Verify(k, input, sig):
		return nil, errForeignSig
	}
	return append(dst, sig...), nil
}

// MAC is [Sign] for a secret.
func MAC(k *Key, dst, input []byte) []byte {
	st, _ := k.m.macs.Get().(*macState)
	defer k.m.macs.Put(st)
	return append(dst, st.digest(input)...)
}

package jose

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/ecolaura/rampart"
)

// A ContextSigner is an auth.ContextSigner.
type ContextSigner interface {
	crypto.Signer
	SignContext(ctx context.Context, rand io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error)
}

// setPublic takes a public key, and says what is wrong with it.
func (m *material) setPublic(key crypto.PublicKey) rampart.Reason {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key != nil && (m.family == familyRSA || m.family == familyPSS) {
			m.public = copyRSA(key)
			return checkRSA(key)
		}
	case *ecdsa.PublicKey:
		if key != nil && m.family == familyECDSA {
			m.public = key
			return checkECDSA(key, m.alg)
		}
	case ed25519.PublicKey:
		if m.family == familyEd25519 && len(key) == ed25519.PublicKeySize {
			m.public = slices.Clone(key)
			return ""
		}
	}
	return ReasonMismatch
}

// probe reports why the private key does not sign for the public one.
func (m *material) probe() error {
	input := []byte("rampart")
	sig, err := m.signInput(func(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		return m.private.Sign(random, bytes.Clone(digest), opts) // it may keep what it got
	}, input)
	if err == nil && !Verify(&Key{alg: m.alg, m: m}, input, sig) {
		err = errForeignSig
	}
	switch {
	case err == nil:
		return nil
	case m.foreign:
		return keyMistake("material", rampart.ReasonInvalid, nil, fmt.Sprintf("the signer must sign for its public key with %s; it answers %.300q", m.alg, err))
	default:
		return m.mistake(rampart.ReasonInvalid)
	}
}

// Errors of a signer that others have made.
var (
	errForeignASN1 = errors.New("auth: an ECDSA signer must return the ASN.1 form of R and S, as crypto.Signer has it")
	errForeignSig  = errors.New("auth: the signer returned a signature that its public key does not verify")
)

// A signFunc is the method Sign of a [crypto.Signer].
type signFunc func(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error)

// signer returns how the private key signs under ctx. One that others have made gets
// a copy of the digest, which it may still read when ctx has ended.
func (m *material) signer(ctx context.Context) signFunc {
	if !m.foreign {
		return m.private.Sign
	}
	return func(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		digest = bytes.Clone(digest)
		if s, ok := m.private.(ContextSigner); ok {
			return s.SignContext(ctx, rand.Reader, digest, opts)
		}
		return m.private.Sign(rand.Reader, digest, opts)
	}
}

// signInput signs input with sign, which is how the private key does it.
func (m *material) signInput(sign signFunc, input []byte) ([]byte, error) {
	var random io.Reader // none: deterministic, which [ecdsa.PrivateKey] is by RFC 6979
	if m.foreign {
		random = rand.Reader
	}
	if m.family == familyEd25519 {
		return sign(random, input, crypto.Hash(0))
	}
	st, _ := m.digests.Get().(*macState)
	defer m.digests.Put(st)
	digest := st.digest(input)
	switch m.family {
	case familyPSS:
		return sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: m.hash})
	case familyRSA:
		return sign(random, digest, m.hash)
	default:
		der, err := sign(random, digest, m.hash)
		if err != nil {
			return nil, err
		}
		return m.appendRS(nil, der)
	}
}

// appendRS appends R and S of an ASN.1 signature at full width (RFC 7518 section
// 3.4).
func (m *material) appendRS(dst, der []byte) ([]byte, error) {
	var rs struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &rs)
	size := m.sigSize / 2
	if err != nil || len(rest) > 0 || rs.R.Sign() <= 0 || rs.S.Sign() <= 0 || rs.R.BitLen() > 8*size || rs.S.BitLen() > 8*size {
		return nil, errForeignASN1
	}
	sig := make([]byte, 2*size)
	rs.R.FillBytes(sig[:size])
	rs.S.FillBytes(sig[size:])
	return append(dst, sig...), nil
}

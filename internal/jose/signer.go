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
	"time"

	"github.com/ecolaura/rampart"
)

// A ContextSigner is an auth.ContextSigner.
type ContextSigner interface {
	crypto.Signer
	SignContext(ctx context.Context, rand io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error)
}

// probeTimeout bounds the signature that NewKey asks a signer for.
const probeTimeout = 10 * time.Second

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
	k, input := &Key{alg: m.alg, m: m}, []byte("rampart")
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	sig, err := Sign(ctx, k, nil, input)
	switch {
	case err != nil && m.foreign:
		return keyMistake("material", rampart.ReasonInvalid, nil, fmt.Sprintf("the signer must sign for its public key with %s; it answers %.300q", m.alg, err))
	case err != nil || !Verify(k, input, sig):
		return m.mistake(rampart.ReasonInvalid)
	}
	return nil
}

// Errors of a signer that others have made.
var (
	errForeignASN1 = errors.New("auth: an ECDSA signer must return the ASN.1 form of R and S, as crypto.Signer has it")
	errForeignSig  = errors.New("auth: the signer returned a signature that its public key does not verify")
)

// sign has the private key sign. One that others have made is asked with the
// context, if it takes one, for its own copy of the digest, and not believed: its
// key may have been replaced since.
func (m *material) sign(ctx context.Context, random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if !m.foreign {
		return m.private.Sign(random, digest, opts)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	digest = bytes.Clone(digest)
	if s, ok := m.private.(ContextSigner); ok {
		return s.SignContext(ctx, rand.Reader, digest, opts)
	}
	return m.private.Sign(rand.Reader, digest, opts)
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

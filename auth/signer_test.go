package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// hardware is a crypto.Signer whose key is elsewhere.
type hardware struct {
	key    crypto.Signer
	change func(sig []byte) ([]byte, error)
	random []io.Reader
	calls  int
}

func (h *hardware) Public() crypto.PublicKey { return h.key.Public() }

func (h *hardware) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	h.calls++
	h.random = append(h.random, random)
	sig, err := h.key.Sign(random, digest, opts)
	if err == nil && h.change != nil {
		return h.change(sig)
	}
	return sig, err
}

// remote is one that is asked over a network.
type remote struct {
	hardware
	delay   time.Duration
	without int // calls without a context
}

func (r *remote) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	r.without++
	return r.hardware.Sign(random, digest, opts)
}

func (r *remote) SignContext(ctx context.Context, random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	select {
	case <-time.After(r.delay):
		return r.hardware.Sign(random, digest, opts)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func signerOf(tb testing.TB, alg auth.Algorithm) crypto.Signer {
	tb.Helper()
	signer, ok := privateKeys(tb)[alg].(crypto.Signer)
	require.True(tb, ok)
	return signer
}

func TestASignerSignsAndIsPublished(t *testing.T) {
	for _, alg := range []auth.Algorithm{auth.RS256, auth.RS384, auth.RS512, auth.PS256, auth.PS384, auth.PS512, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA} {
		private := signerOf(t, alg)
		plain := &hardware{key: private}
		network := &remote{hardware: hardware{key: private}}
		for desc, signer := range map[string]crypto.Signer{"Sign": plain, "SignContext": network} {
			key, err := auth.NewKey(alg, "k1", signer)
			require.NoError(t, err, alg)
			pair, err := newService(t, signedBy(newKeys(t, key))).Issue(t.Context(), "1", nil)
			require.NoError(t, err, "%s %s", alg, desc)
			public, err := auth.NewKey(alg, "k1", private.Public())
			require.NoError(t, err)
			v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys = newKeys(t, public) })
			_, err = v.Verify(t.Context(), pair.Access, auth.Access)
			assert.NoError(t, err, "%s %s", alg, desc)
		}
		assert.Equal(t, 3, plain.calls, "once at construction, and once for each token")
		assert.Equal(t, []int{3, 1}, []int{network.calls, network.without})
		assert.NotContains(t, plain.random, nil, "some need it")
	}
}

func TestASignerThatDoesNotFitIsRefused(t *testing.T) {
	es := signerOf(t, auth.ES256)
	ownCurve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	type number struct{ R, S *big.Int }
	changed := func(f func([]byte) ([]byte, error)) crypto.Signer { return &hardware{key: es, change: f} }
	der := func(r, s *big.Int) func([]byte) ([]byte, error) {
		return func([]byte) ([]byte, error) { return asn1.Marshal(number{r, s}) }
	}
	large := new(big.Int).Lsh(big.NewInt(1), 300)
	for _, tt := range []struct {
		desc     string
		alg      auth.Algorithm
		material any
		want     string
	}{
		{"of another type", auth.RS256, &hardware{key: es}, "RS256 takes an *rsa.PrivateKey or *rsa.PublicKey; this is a *auth_test.hardware with an *ecdsa.PublicKey on P-256"},
		{"of another curve", auth.ES384, &hardware{key: es}, "on the curve P-384; this is a *auth_test.hardware with an *ecdsa.PublicKey on P-256"},
		{"of an unknown curve", auth.ES256, &hardware{key: ownCurve}, "on the curve P-256; this is a *auth_test.hardware with an *ecdsa.PublicKey on P-224"},
		{"for a secret", auth.HS256, &hardware{key: es}, "HS256 takes the secret as a []byte"},
		{"that fails", auth.ES256, changed(func([]byte) ([]byte, error) { return nil, errors.New("permission denied") }), "permission denied"},
		{"that has the JWS form already", auth.ES256, changed(func([]byte) ([]byte, error) { return bytes.Repeat([]byte{1}, 64), nil }), "must return the ASN.1 form"},
		{"that adds a byte", auth.ES256, changed(func(sig []byte) ([]byte, error) { return append(sig, 0), nil }), "must return the ASN.1 form"},
		{"with R too large", auth.ES256, changed(der(large, big.NewInt(1))), "must return the ASN.1 form"},
		{"with S too large", auth.ES256, changed(der(big.NewInt(1), large)), "must return the ASN.1 form"},
		{"with R negative", auth.ES256, changed(der(big.NewInt(-1), big.NewInt(1))), "must return the ASN.1 form"},
		{"with S zero", auth.ES256, changed(der(big.NewInt(1), big.NewInt(0))), "must return the ASN.1 form"},
		{"with another signature", auth.ES256, changed(der(big.NewInt(1), big.NewInt(1))), "its public key does not verify"},
		{"with an empty signature", auth.EdDSA, &hardware{key: signerOf(t, auth.EdDSA), change: func([]byte) ([]byte, error) { return nil, nil }}, "its public key does not verify"},
	} {
		key, err := auth.NewKey(tt.alg, "", tt.material)
		assert.Nil(t, key, tt.desc)
		require.ErrorContains(t, err, tt.want, tt.desc)
		assert.ErrorAs(t, err, new(*rampart.ConfigError))
	}
	_, err = auth.NewKey(auth.RS256, "", &hardware{key: es})
	assert.Equal(t, "material: mismatch", conferrtest.Text(err))
}

func TestASignerEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := &remote{hardware: hardware{key: signerOf(t, auth.ES256)}, delay: time.Hour}
		key, err := auth.NewKey(auth.ES256, "", signer)
		require.NoError(t, err)
		s := newService(t, signedBy(newKeys(t, key)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err = s.Issue(ctx, "1", nil)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
	})
	plain := &hardware{key: signerOf(t, auth.ES256)}
	key, err := auth.NewKey(auth.ES256, "", plain)
	require.NoError(t, err)
	gone, cancel := context.WithCancel(t.Context())
	s := newService(t, signedBy(newKeys(t, key)))
	cancel()
	_, err = s.Issue(gone, "1", nil)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, plain.calls, "nobody waits for it any more")
}

// TestASignerWhoseKeyWasReplacedMakesNoTokens: nobody could verify them.
func TestASignerWhoseKeyWasReplacedMakesNoTokens(t *testing.T) {
	signer := &hardware{key: signerOf(t, auth.ES256)}
	key, err := auth.NewKey(auth.ES256, "", signer)
	require.NoError(t, err)
	store := session.NewMemoryStore(0)
	s := newService(t, signedBy(newKeys(t, key)), func(c *session.Config) { c.Sessions = store })
	signer.key = signerOf(t, auth.ES256)
	_, err = s.Issue(t.Context(), "1", nil)
	require.ErrorContains(t, err, "its public key does not verify")
	left, err := store.List(t.Context(), "1", 1)
	require.NoError(t, err)
	assert.Empty(t, left, "without tokens there is no session")
}

// TestASignerKeepsItsDigest: it may still read it when the context has ended.
func TestASignerKeepsItsDigest(t *testing.T) {
	var kept [][]byte
	key, err := auth.NewKey(auth.ES256, "", digests{signerOf(t, auth.ES256), func(d []byte) { kept = append(kept, d) }})
	require.NoError(t, err)
	_, err = newService(t, signedBy(newKeys(t, key))).Issue(t.Context(), strings.Repeat("1", 10), nil)
	require.NoError(t, err)
	require.Len(t, kept, 3)
	assert.NotEqual(t, kept[0], kept[1])
	assert.NotEqual(t, kept[1], kept[2])
}

type digests struct {
	crypto.Signer
	seen func([]byte)
}

func (d digests) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	d.seen(digest)
	return d.Signer.Sign(random, digest, opts)
}

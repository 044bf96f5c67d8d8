package apikey_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
)

// A key of djangorestframework-api-key and its hashes, computed with Python's
// hashlib as that package and Django do.
const (
	djangoText   = "Ab3dEf9h.0123456789ABCDEFabcdef0123456789"
	djangoSimple = "Ab3dEf9h.sha512$$d17b97a9021331390675c380dc74fc21328b34f488ac8e22d963f5a8b78095fd340ab07d45d8d3b6de6e8403fd976708b8ef98dff3b62b32755d4eee8dbab292"
	djangoSalted = "Ab3dEf9h.pbkdf2_sha256$1000$salt$+3EaUePle548ZLrjewG68SQYxARX7nuGdSUMrOepipg="
	plainText    = "FuBSv7WHu-hC0C0PVdC-XJW3UqunQMuK_G1fl0l3B78"
)

// pbkdf2Hasher stands for a Hasher of package auth/password.
type pbkdf2Hasher struct {
	calls int
	err   error
}

func (h *pbkdf2Hasher) Verify(_ context.Context, pw, encoded string) (ok, upgrade bool, err error) {
	h.calls++
	parts := strings.Split(encoded, "$")
	rounds, _ := strconv.Atoi(parts[1])
	sum, err := pbkdf2.Key(sha256.New, pw, []byte(parts[2]), rounds, sha256.Size)
	if err != nil || h.err != nil {
		return false, false, h.err
	}
	return base64.StdEncoding.EncodeToString(sum) == parts[3], true, nil
}

func (f fixture) stored(t *testing.T, id string) []byte {
	t.Helper()
	_, hash, err := f.store.Lookup(t.Context(), id)
	require.NoError(t, err)
	return hash
}

func TestImportedKeysWorkAndAreUpgradedOnFirstUse(t *testing.T) {
	hasher := new(pbkdf2Hasher)
	for _, tt := range []struct {
		desc, text, record string
		kind               apikey.Legacy
		upgrades           int64
	}{
		{"plain text", plainText, plainText, apikey.PlainText(), 0},
		{"unsalted SHA-512", djangoText, djangoSimple, apikey.DjangoREST(nil), 1},
		{"a salted hash of Django's", djangoText, djangoSalted, apikey.DjangoREST(hasher.Verify), 1},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			f := newFixture(t, func(c *apikey.Config) { c.Legacy = []apikey.Legacy{tt.kind} })
			created := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
			k, err := f.Import(t.Context(), apikey.Key{ID: "x", Name: "old", Owner: "alice", Created: created, Successor: "x"}, tt.kind, tt.record)
			require.NoError(t, err)
			assert.Equal(t, created, k.Created)
			assert.NotEqual(t, "x", k.ID)
			assert.Empty(t, k.Successor)
			assert.Equal(t, true, f.log.last(t)["imported"])
			_, err = f.Import(t.Context(), apikey.Key{Name: "old"}, tt.kind, tt.record)
			require.ErrorIs(t, err, apikey.ErrConflict)

			f.store.writes.Store(0)
			for range 2 {
				caller, err := f.Verify(t.Context(), tt.text, anywhere)
				require.NoError(t, err)
				assert.Equal(t, k.ID, caller.ID())
			}
			assert.Equal(t, tt.upgrades, f.store.writes.Load(), "once")
			assert.Len(t, f.stored(t, k.ID), sha256.Size, "our own hash")
			for _, wrong := range []string{tt.text + "x", tt.text[:len(tt.text)-1] + "_", tt.text[1:], strings.ToLower(tt.text)} {
				_, err := f.Verify(t.Context(), wrong, anywhere)
				assert.NotEmpty(t, reason(err), wrong)
			}

			next, secret, err := f.Rotate(t.Context(), k.ID, time.Hour)
			require.NoError(t, err)
			assert.True(t, apikey.WellFormed(prefix, secret.Reveal()), "a rotation gives a key of ours")
			assert.Equal(t, "alice", next.Owner)
			require.NoError(t, f.Revoke(t.Context(), k.ID))
			_, err = f.Verify(t.Context(), tt.text, anywhere)
			assert.Equal(t, apikey.KeyRevoked, reason(err))
			assert.NotContains(t, f.log.String(), tt.text)
		})
	}
	assert.Equal(t, 1, hasher.calls, "the slow hash is computed once")
}

func TestImportedKeysAreRefusedForTheSameReasons(t *testing.T) {
	hasher := new(pbkdf2Hasher)
	kinds := []apikey.Legacy{apikey.DjangoREST(hasher.Verify), apikey.PlainText()}
	f := newFixture(t, withCache, func(c *apikey.Config) { c.Legacy = kinds })
	own, _ := f.make(t)
	_, err := f.Import(t.Context(), apikey.Key{Name: "d"}, kinds[0], djangoSalted)
	require.NoError(t, err)
	_, err = f.Import(t.Context(), apikey.Key{Name: "p", Expires: time.Now().Add(-time.Hour)}, kinds[1], plainText)
	require.NoError(t, err, "an expired key stays so")
	for _, tt := range []struct {
		desc, text string
		want       rampart.Denial
	}{
		{"expired", plainText, apikey.KeyExpired},
		{"unknown plain text", strings.ToLower(plainText), apikey.KeyUnknown},
		{"an unknown prefix", "Zb3dEf9h.0123456789ABCDEFabcdef0123456789", apikey.KeyUnknown},
		{"a wrong secret", "Ab3dEf9h.0123456789ABCDEFabcdef012345678A", apikey.KeyMismatch},
		{"the id of a key of ours", own.ID + ".0123456789ABCDEFabcdef0123456789", apikey.KeyMismatch},
		{"too short", "0123456789abcde", apikey.KeyMalformed},
		{"too long", strings.Repeat("x", 129), apikey.KeyMalformed},
		{"a space", "0123456789 abcdef", apikey.KeyMalformed},
		{"not ASCII", "0123456789abcdefé", apikey.KeyMalformed},
	} {
		_, err := f.Verify(t.Context(), tt.text, anywhere)
		assert.Equal(t, tt.want, reason(err), tt.desc)
	}
	expectNoError(t, f, djangoText)
	expect(t, f, djangoText, "", 0, "a warm one costs no read")
	expect(t, f, "Ab3dEf9h.0123456789ABCDEFabcdef012345678A", apikey.KeyMismatch, 1, "a wrong one does")
	calls := hasher.calls
	_, err = f.Verify(t.Context(), "Ab3dEf9h.0123456789ABCDEFabcdef012345678A", anywhere)
	assert.Equal(t, apikey.KeyMismatch, reason(err))
	assert.Equal(t, calls, hasher.calls, "once upgraded, a guess is cheap")

	none := newFixture(t, func(c *apikey.Config) { c.Store = f.store })
	f.store.lookups.Store(0)
	for _, text := range []string{plainText, djangoText} {
		_, err = none.Verify(t.Context(), text, anywhere)
		assert.Equal(t, apikey.KeyMalformed, reason(err), "not accepted unless asked for")
	}
	assert.Zero(t, f.store.lookups.Load())
}

func TestWhatIsNoRecordOfItsKindIsNotImported(t *testing.T) {
	f := newFixture(t)
	verify := new(pbkdf2Hasher).Verify
	for _, tt := range []struct {
		kind   apikey.Legacy
		record string
	}{
		{apikey.Legacy{}, plainText},
		{apikey.PlainText(), "short"},
		{apikey.PlainText(), "a key with spaces"},
		{apikey.DjangoREST(nil), djangoSalted},
		{apikey.DjangoREST(verify), ""},
		{apikey.DjangoREST(verify), plainText},
		{apikey.DjangoREST(verify), "Ab3dEf9h.sha512$$00"},
		{apikey.DjangoREST(verify), "." + djangoSimple[9:]},
		{apikey.DjangoREST(verify), "Ab-dEf9h" + djangoSimple[8:]},
		{apikey.DjangoREST(verify), "Ab3dEf9h.x$y$z"},
	} {
		_, err := f.Import(t.Context(), apikey.Key{Name: "n"}, tt.kind, tt.record)
		require.EqualError(t, err, "apikey: import: not a record of this kind", tt.record)
	}
	_, err := f.Import(t.Context(), apikey.Key{}, apikey.PlainText(), plainText)
	require.EqualError(t, err, "apikey: invalid key: name: required")
	f.rest(t, 0)
}

func TestImportedPlainTextFollowsThePeppers(t *testing.T) {
	old := bytes.Repeat([]byte("1"), 32)
	plain := []apikey.Legacy{apikey.PlainText()}
	store := &spyStore{Store: apikey.NewMemoryStore()}
	before := newFixture(t, func(c *apikey.Config) { c.Store, c.Legacy, c.Peppers = store, plain, [][]byte{old} })
	k, err := before.Import(t.Context(), apikey.Key{Name: "n"}, plain[0], plainText)
	require.NoError(t, err)
	was, _, err := store.Lookup(t.Context(), k.ID)
	require.NoError(t, err)
	assert.Equal(t, k, was)
	after := newFixture(t, func(c *apikey.Config) {
		c.Store, c.Legacy, c.Peppers = store, plain, [][]byte{bytes.Repeat([]byte("2"), 32), old}
	})
	store.writes.Store(0)
	expectNoError(t, after, plainText)
	expectNoError(t, after, plainText)
	assert.EqualValues(t, 1, store.writes.Load())
	_, err = before.Verify(t.Context(), plainText, anywhere)
	assert.Equal(t, apikey.KeyUnknown, reason(err), "stored under the new pepper only")
}

// noHashes is a store whose index of hashes is down.
type noHashes struct{ apikey.Store }

func (noHashes) LookupHash(context.Context, []byte) (apikey.Key, error) { return apikey.Key{}, errDown }

func TestAnOutageIsNoVerdictOnAnImportedKey(t *testing.T) {
	hasher := &pbkdf2Hasher{err: errDown}
	kinds := []apikey.Legacy{apikey.DjangoREST(hasher.Verify), apikey.PlainText()}
	f := newFixture(t, func(c *apikey.Config) { c.Store, c.Legacy = noHashes{c.Store}, kinds })
	_, err := f.Import(t.Context(), apikey.Key{Name: "n"}, kinds[0], djangoSalted)
	require.NoError(t, err)
	for _, text := range []string{djangoText, plainText} {
		_, err = f.Verify(t.Context(), text, anywhere)
		require.ErrorIs(t, err, errDown)
		assert.Equal(t, apikey.KeyUnavailable, reason(err))
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(good + checksumOfGood)
	f.Add(djangoText)
	f.Add(plainText)
	kinds := []apikey.Legacy{apikey.DjangoREST(nil), apikey.PlainText()}
	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: prefix, Legacy: kinds, CacheTTL: time.Minute})
	require.NoError(f, err)
	_, err = keys.Import(f.Context(), apikey.Key{Name: "d"}, kinds[0], djangoSimple)
	require.NoError(f, err)
	_, err = keys.Import(f.Context(), apikey.Key{Name: "p"}, kinds[1], plainText)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := keys.Verify(t.Context(), text, anywhere); (err == nil) != (text == djangoText || text == plainText) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

package fernet_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
)

func newCipher(tb testing.TB) *fernet.Cipher {
	tb.Helper()
	r, err := fernet.NewKeyring(fernet.GenerateKey())
	require.NoError(tb, err)
	return r.Cipher()
}

func TestEverySizeComesBack(t *testing.T) {
	c := newCipher(t)
	sizes := []int{4095, 4096, 4097, 8191, 8192, 8193, 12288, 1 << 20}
	for n := range 200 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		msg := bytes.Repeat([]byte{0x10}, n)
		token := c.Encrypt(msg)
		require.Len(t, token, fernet.EncryptedLen(n))
		text, err := c.Decrypt(token)
		require.NoError(t, err, "size %d", n)
		require.True(t, bytes.Equal(msg, text), "size %d", n)
	}
}

func TestStringsComeBack(t *testing.T) {
	c := newCipher(t)
	for _, s := range []string{"", "x", "naïve ☂\x00", strings.Repeat("long", 3000)} {
		got, err := c.DecryptString(c.EncryptString(s))
		require.NoError(t, err)
		assert.Equal(t, s, got)
	}
	got, err := c.DecryptString("gAAAAA")
	assert.Equal(t, fernet.ErrInvalid, err)
	assert.Empty(t, got)
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	c := newCipher(t)
	token := c.AppendEncrypt([]byte("token="), []byte("text"))
	require.True(t, bytes.HasPrefix(token, []byte("token=gAAAAA")))
	text, err := c.AppendDecrypt([]byte("text="), token[len("token="):])
	require.NoError(t, err)
	assert.Equal(t, "text=text", string(text))

	dst := append(make([]byte, 0, 256), "kept"...)
	got, err := c.AppendDecrypt(dst, token)
	assert.Equal(t, fernet.ErrInvalid, err)
	assert.Equal(t, "kept", string(got))
	assert.Same(t, &dst[0], &got[0])
}

func TestOneBufferMayHoldBothSides(t *testing.T) {
	c := newCipher(t)
	want := strings.Repeat("0123456789abcde", 1000)
	buf := append(make([]byte, 0, 1<<16), want...)
	token := c.AppendEncrypt(buf[:0], buf)
	text, err := c.AppendDecrypt(token[:0], token)
	require.NoError(t, err)
	assert.Equal(t, want, string(text))
	assert.Same(t, &buf[0], &text[0], "the buffer is reused")
}

func TestEqualTextsGiveDistinctTokens(t *testing.T) {
	c := newCipher(t)
	var wg sync.WaitGroup
	var seen sync.Map
	for range 8 {
		wg.Go(func() {
			for range 500 {
				token := c.Encrypt([]byte("same"))
				raw, err := base64.URLEncoding.DecodeString(string(token))
				assert.NoError(t, err)
				_, dup := seen.LoadOrStore(string(raw[9:25]), true)
				assert.False(t, dup, "an IV came twice")
				text, err := c.Decrypt(token)
				assert.NoError(t, err)
				assert.Equal(t, "same", string(text))
			}
		})
	}
	wg.Wait()
}

func TestEncryptUsesTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCipher(t)
		at, err := c.Timestamp(c.Encrypt(nil))
		require.NoError(t, err)
		assert.Equal(t, time.Now().UTC(), at)
		assert.Equal(t, time.UTC, at.Location())
	})
}

func TestEncryptAtBefore1970IsAt1970(t *testing.T) {
	c := newCipher(t)
	at, err := c.Timestamp(c.EncryptAt(nil, time.Unix(-5, 0)))
	require.NoError(t, err)
	assert.Equal(t, int64(0), at.Unix())
}

func TestAgeRules(t *testing.T) {
	const made = 1_700_000_000
	c := newCipher(t)
	tests := []struct {
		desc string
		now  int64 // seconds after the token was made
		nano int64
		ttl  time.Duration
		want bool
	}{
		{"at once", 0, 0, time.Minute, true},
		{"at the last second", 60, 0, time.Minute, true},
		{"within the last second", 60, 999_999_999, time.Minute, true},
		{"one second late", 61, 0, time.Minute, false},
		{"sixty seconds ahead of our clock", -60, 0, time.Minute, true},
		{"sixty-one seconds ahead of our clock", -61, 0, time.Minute, false},
		{"no lifetime, the same second", 0, 0, 0, true},
		{"no lifetime, the next second", 1, 0, 0, false},
		{"half a second, the same second", 0, 0, time.Second / 2, true},
		{"half a second, the next second", 1, 0, time.Second / 2, false},
		{"a second and a half, the next second", 1, 0, time.Second * 3 / 2, true},
		{"negative lifetime", 0, 0, -time.Second, false},
		{"negative lifetime, made as far ahead, as in Python", -1, 0, -time.Second, true},
		{"negative by a part of a second", 0, 0, -1, false},
		{"the longest lifetime", 9_000_000_000, 0, math.MaxInt64, true},
		{"a clock before 1970", -made - 5, 0, math.MaxInt64, false},
		{"the end of time", math.MaxInt64 - made, 0, math.MaxInt64, false},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			token := c.EncryptAt([]byte("x"), time.Unix(made, 0))
			text, err := c.DecryptAt(token, tt.ttl, time.Unix(made+tt.now, tt.nano))
			if !tt.want {
				assert.Equal(t, fernet.ErrInvalid, err)
				assert.Nil(t, text)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "x", string(text))
		})
	}
}

func TestForgedTokensHaveNoAge(t *testing.T) {
	c := newCipher(t)
	token := newCipher(t).Encrypt([]byte("another key"))
	_, err := c.DecryptAt(token, time.Hour, time.Now())
	assert.Equal(t, fernet.ErrInvalid, err)
	at, err := c.Timestamp(token)
	assert.Equal(t, fernet.ErrInvalid, err)
	assert.Zero(t, at)
}

func TestRotateLeavesTokensOfTheFirstKeyAlone(t *testing.T) {
	old, next := fernet.GenerateKey(), fernet.GenerateKey()
	r, err := fernet.NewKeyring(old)
	require.NoError(t, err)
	c := r.Cipher()
	made := time.Unix(1_600_000_000, 0).UTC()
	token := c.EncryptAt([]byte("text"), made)

	got, changed, err := c.Rotate(token)
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Equal(t, string(token), string(got))

	require.NoError(t, r.Reconfigure(next, old))
	got, changed, err = c.Rotate(token)
	require.NoError(t, err)
	assert.True(t, changed)

	require.NoError(t, r.Reconfigure(next))
	_, err = c.Decrypt(token)
	assert.Equal(t, fernet.ErrInvalid, err)
	text, err := c.Decrypt(got)
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))
	at, err := c.Timestamp(got)
	require.NoError(t, err)
	assert.Equal(t, made, at)
}

func TestWithoutKeysNothingOpensAndNothingIsEncrypted(t *testing.T) {
	token := newCipher(t).Encrypt([]byte("text"))
	for name, c := range map[string]*fernet.Cipher{
		"nil":            nil,
		"zero":           new(fernet.Cipher),
		"of a nil ring":  (*fernet.Keyring)(nil).Cipher(),
		"of a zero ring": new(fernet.Keyring).Cipher(),
	} {
		t.Run(name, func(t *testing.T) {
			text, err := c.Decrypt(token)
			assert.Equal(t, fernet.ErrInvalid, err)
			assert.Nil(t, text)
			assert.PanicsWithValue(t, "fernet: Cipher without a key, or Row without a field or an id", func() { c.Encrypt([]byte("text")) })
			assert.Equal(t, "REDACTED()", fmt.Sprint(c))
		})
	}
}

func TestNoAllocationsWithRoom(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop what it is given")
	}
	c := newCipher(t)
	for n, runs := range map[int]int{0: 200, 32: 200, 10_000: 200, 1 << 20: 20} {
		msg := make([]byte, n)
		dst := make([]byte, 0, fernet.EncryptedLen(n))
		token := c.Encrypt(msg)
		text := make([]byte, 0, len(token)/4*3)
		assert.Zero(t, testing.AllocsPerRun(runs, func() { c.AppendEncrypt(dst, msg) }), "encrypt %d", n)
		assert.Zero(t, testing.AllocsPerRun(runs, func() { _, _ = c.AppendDecrypt(text, token) }), "decrypt %d", n)
	}
	junk := []byte(strings.Repeat("junk", 1<<18))
	assert.Zero(t, testing.AllocsPerRun(20, func() { _, _ = c.Decrypt(junk[:len(junk)-1]) }), "junk of no token's length")
}

package fernet_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// oracle is testdata/fernet.json, as far as it is replayed.
type oracle struct {
	Tokens []struct {
		Name, Key, IV, Token string
		Time                 uint64
		Plaintext            []byte `json:"plaintext_b64"`
	}
	Corrupt []struct {
		Name, Key, Token, Want string
		TTL, Now               *int64
		Plaintext              []byte `json:"plaintext_b64"`
	}
	Multi []struct {
		Name, Token, Decrypt, Rotate string
		Keys                         []string
		TTL, Now                     *int64
		Plaintext                    []byte `json:"plaintext_b64"`
		PythonRotated                string `json:"python_rotated"`
		Time                         uint64
	}
	Keys []struct{ Name, Key, Want string }
}

func readOracle(tb testing.TB) (o oracle) {
	tb.Helper()
	text, err := os.ReadFile("testdata/fernet.json")
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(text, &o))
	return o
}

func key(tb testing.TB, text string) fernet.Key {
	tb.Helper()
	k, err := fernet.ParseKey(text)
	require.NoError(tb, err)
	return k
}

func cipherOf(tb testing.TB, texts ...string) *fernet.Cipher {
	tb.Helper()
	var keys []fernet.Key
	for _, text := range texts {
		keys = append(keys, key(tb, text))
	}
	r, err := fernet.NewKeyring(keys[0], keys[1:]...)
	require.NoError(tb, err)
	return r.Cipher()
}

// reference is Fernet written down once more, with nothing but the primitives.
func reference(tb testing.TB, keyText string, ts uint64, iv, msg []byte) string {
	tb.Helper()
	k, err := base64.URLEncoding.DecodeString(keyText)
	require.NoError(tb, err)
	block, err := aes.NewCipher(k[16:])
	require.NoError(tb, err)
	n := 16 - len(msg)%16
	text := append([]byte{}, msg...)
	for range n {
		text = append(text, byte(n))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	raw := binary.BigEndian.AppendUint64([]byte{0x80}, ts)
	raw = append(append(raw, iv...), text...)
	mac := hmac.New(sha256.New, k[:16])
	mac.Write(raw)
	return base64.URLEncoding.EncodeToString(mac.Sum(raw))
}

func TestTokensOfPythonOpen(t *testing.T) {
	o := readOracle(t)
	require.Len(t, o.Tokens, 38)
	for _, tt := range o.Tokens {
		t.Run(tt.Name, func(t *testing.T) {
			c := cipherOf(t, tt.Key)
			text, err := c.Decrypt([]byte(tt.Token))
			require.NoError(t, err)
			assert.Equal(t, tt.Plaintext, text)

			at, err := c.Timestamp([]byte(tt.Token))
			require.NoError(t, err)
			assert.Equal(t, time.Unix(int64(min(tt.Time, 253402300799)), 0).UTC(), at)
			if at.Unix() != int64(tt.Time) {
				return
			}
			// Ours differs in its IV only.
			token := c.EncryptAt(text, at)
			raw, err := base64.URLEncoding.DecodeString(string(token))
			require.NoError(t, err)
			assert.Equal(t, reference(t, tt.Key, tt.Time, raw[9:25], text), string(token))
			iv, err := hex.DecodeString(tt.IV)
			require.NoError(t, err)
			assert.Equal(t, tt.Token, reference(t, tt.Key, tt.Time, iv, text), "the reference is wrong")
		})
	}
}

func TestRecordedVerdictsOnCorruptedTokens(t *testing.T) {
	o := readOracle(t)
	require.Len(t, o.Corrupt, 57)
	for _, tt := range o.Corrupt {
		t.Run(tt.Name, func(t *testing.T) {
			c := cipherOf(t, tt.Key)
			text, err := c.Decrypt([]byte(tt.Token))
			if tt.TTL != nil {
				text, err = c.DecryptAt([]byte(tt.Token), time.Duration(*tt.TTL)*time.Second, time.Unix(*tt.Now, 0))
			}
			if tt.Want == "accept" {
				require.NoError(t, err)
				assert.Equal(t, tt.Plaintext, append([]byte{}, text...))
				return
			}
			assert.Equal(t, fernet.ErrInvalid, err)
			assert.Empty(t, text)
		})
	}
}

func TestRecordedVerdictsOfMultiFernet(t *testing.T) {
	o := readOracle(t)
	require.Len(t, o.Multi, 12)
	for _, tt := range o.Multi {
		t.Run(tt.Name, func(t *testing.T) {
			c := cipherOf(t, tt.Keys...)
			text, err := c.Decrypt([]byte(tt.Token))
			if tt.TTL != nil {
				text, err = c.DecryptAt([]byte(tt.Token), time.Duration(*tt.TTL)*time.Second, time.Unix(*tt.Now, 0))
			}
			if tt.Decrypt == "accept" {
				require.NoError(t, err)
				assert.Equal(t, tt.Plaintext, text)
			} else {
				assert.Equal(t, fernet.ErrInvalid, err)
			}
			rotated, changed, err := c.Rotate([]byte(tt.Token))
			if tt.Rotate != "accept" {
				assert.Equal(t, fernet.ErrInvalid, err)
				assert.Nil(t, rotated)
				assert.False(t, changed)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, changed, string(rotated) != tt.Token)
			first := cipherOf(t, tt.Keys[0])
			for _, token := range [][]byte{rotated, []byte(tt.PythonRotated)} {
				want, err := c.Decrypt([]byte(tt.Token))
				require.NoError(t, err)
				got, err := first.Decrypt(token)
				require.NoError(t, err)
				assert.Equal(t, want, got)
				raw, err := base64.URLEncoding.DecodeString(string(token))
				require.NoError(t, err)
				assert.Equal(t, tt.Time, binary.BigEndian.Uint64(raw[1:]), "Rotate keeps the time")
			}
		})
	}
}

func TestRecordedVerdictsOnKeys(t *testing.T) {
	o := readOracle(t)
	require.Len(t, o.Keys, 15)
	for _, tt := range o.Keys {
		t.Run(tt.Name, func(t *testing.T) {
			k, err := fernet.ParseKey(tt.Key)
			if tt.Want == "accept" {
				require.NoError(t, err)
				assert.Equal(t, tt.Key, k.Reveal())
				return
			}
			require.Equal(t, "text: not_a_key", conferrtest.Text(err))
			assert.Empty(t, k.Reveal())
		})
	}
}

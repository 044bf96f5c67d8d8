package fernet_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

// vectorKey is the key of the test vectors in docs/encryption.md.
const vectorKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func ringOf(t testing.TB, keys ...string) *fernet.Keyring {
	t.Helper()
	parsed := make([]fernet.Key, len(keys))
	for i, k := range keys {
		var err error
		parsed[i], err = fernet.ParseKey(k)
		require.NoError(t, err)
	}
	ring, err := fernet.NewKeyring(parsed[0], parsed[1:]...)
	require.NoError(t, err)
	return ring
}

func TestAFieldIsFernetUnderADerivedKey(t *testing.T) {
	raw, err := base64.URLEncoding.DecodeString(vectorKey)
	require.NoError(t, err)
	derived, err := hkdf.Key(sha256.New, raw, nil, "rampart/crypto v1 field\x00customers.note", 32)
	require.NoError(t, err)
	plain := cipherOf(t, base64.URLEncoding.EncodeToString(derived))
	field := ringOf(t, vectorKey).Field("customers.note")
	text, err := field.DecryptString(plain.EncryptString("to you"))
	require.NoError(t, err)
	assert.Equal(t, "to you", text)
	text, err = plain.DecryptString(field.EncryptString("to us"))
	require.NoError(t, err)
	assert.Equal(t, "to us", text)
}

func TestARowTokenIsAsSpecified(t *testing.T) {
	ring := ringOf(t, vectorKey)
	token := ring.Field("customers.note").Row("42").EncryptAt([]byte("attack at dawn"), time.Unix(499162800, 0))
	raw, err := base64.URLEncoding.DecodeString(string(token))
	require.NoError(t, err)
	assert.Equal(t, byte(0x81), raw[0])
	assert.True(t, strings.HasPrefix(string(token), "gQ"), "told apart from Fernet's gA at a glance")
	master, err := base64.URLEncoding.DecodeString(vectorKey)
	require.NoError(t, err)
	key, err := hkdf.Key(sha256.New, master, nil, "rampart/crypto v1 row\x00customers.note", 32)
	require.NoError(t, err)
	mac := hmac.New(sha256.New, key[:16])
	mac.Write([]byte{0, 0, 0, 0, 0, 0, 0, 2, '4', '2'})
	mac.Write(raw[:len(raw)-32])
	assert.Equal(t, mac.Sum(nil), raw[len(raw)-32:])
}

// places are where a value could be moved to: each is made anew, so that
// nothing that a Cipher holds plays a part.
func places(t *testing.T) map[string]func() (encrypt func(string) string, decrypt func(string) (string, error)) {
	t.Helper()
	type seal = func(string) string
	type open = func(string) (string, error)
	keys := map[string]string{"key A": fernet.GenerateKey().Reveal(), "key B": fernet.GenerateKey().Reveal()}
	all := map[string]func() (seal, open){}
	for name, key := range keys {
		all[name] = func() (seal, open) {
			c := ringOf(t, key).Cipher()
			return c.EncryptString, c.DecryptString
		}
		for _, column := range []string{"a.b", "a.c", "a", "a.b\x00", "A.B", "a.b1"} {
			all[name+" "+column] = func() (seal, open) {
				c := ringOf(t, key).Field(column)
				return c.EncryptString, c.DecryptString
			}
			for _, row := range []string{"1", "11", "01", "1 ", strings.Repeat("1", 5000), strings.Repeat("1", 5001), strings.Repeat("1", 4999) + "2", "\x00", "1\x81"} {
				all[name+" "+column+" row "+row] = func() (seal, open) {
					b := ringOf(t, key).Field(column).Row(row)
					return b.EncryptString, b.DecryptString
				}
			}
		}
	}
	return all
}

func TestATokenOpensNowhereElse(t *testing.T) {
	all := places(t)
	for from, at := range all {
		encrypt, _ := at()
		token := encrypt("text of " + from)
		for to, at := range all {
			_, decrypt := at()
			text, err := decrypt(token)
			if from == to {
				require.NoError(t, err, from)
				require.Equal(t, "text of "+from, text)
				continue
			}
			require.Equal(t, fernet.ErrInvalid, err, "%q opened as %q", from, to)
			require.Empty(t, text)
		}
	}
}

func TestARowTokenIsRefusedWhenAnythingInItIsChanged(t *testing.T) {
	row := ringOf(t, vectorKey).Field("a.b").Row("7")
	token := row.Encrypt([]byte("short"))
	for i := range token {
		for c := range 256 {
			if byte(c) == token[i] {
				continue
			}
			changed := []byte(string(token))
			changed[i] = byte(c)
			_, err := row.Decrypt(changed)
			require.Equal(t, fernet.ErrInvalid, err)
		}
		_, err := row.Decrypt(token[:i])
		require.Equal(t, fernet.ErrInvalid, err)
	}
	raw, err := base64.URLEncoding.DecodeString(string(token))
	require.NoError(t, err)
	raw[0] = 0x80 // "downgraded" to Fernet
	for _, c := range []*fernet.Cipher{ringOf(t, vectorKey).Cipher(), ringOf(t, vectorKey).Field("a.b")} {
		_, err = c.DecryptString(base64.URLEncoding.EncodeToString(raw))
		require.Equal(t, fernet.ErrInvalid, err)
	}
}

func TestEveryMethodOfARowDoesWhatTheCiphersDoes(t *testing.T) {
	ring := ringOf(t, vectorKey)
	row := ring.Field("a.b").Row("7")
	at := time.Unix(1700000000, 0).UTC()
	for token, text := range map[string]string{
		string(row.Encrypt([]byte("one"))): "one", row.EncryptString("two"): "two", string(row.EncryptAt([]byte("three"), at)): "three",
		string(row.AppendEncrypt([]byte("before"), []byte("four"))[6:]): "four", row.EncryptString(""): "",
	} {
		got, err := row.Decrypt([]byte(token))
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
		got, err = row.AppendDecrypt([]byte("before "), []byte(token))
		require.NoError(t, err)
		assert.Equal(t, "before "+text, string(got))
	}
	token := row.EncryptAt([]byte("x"), at)
	made, err := row.Timestamp(token)
	require.NoError(t, err)
	assert.Equal(t, at, made)
	_, err = row.DecryptAt(token, time.Minute, at.Add(time.Minute))
	require.NoError(t, err)
	_, err = row.DecryptAt(token, time.Minute, at.Add(61*time.Second))
	assert.Equal(t, fernet.ErrInvalid, err)

	same, changed, err := row.Rotate(token)
	require.NoError(t, err)
	assert.False(t, changed)
	assert.Equal(t, token, same)
	old, err := fernet.ParseKey(vectorKey)
	require.NoError(t, err)
	require.NoError(t, ring.Reconfigure(fernet.GenerateKey(), old))
	moved, changed, err := row.Rotate(token)
	require.NoError(t, err)
	assert.True(t, changed)
	made, err = row.Timestamp(moved)
	require.NoError(t, err)
	assert.Equal(t, at, made)
	_, err = ringOf(t, vectorKey).Field("a.b").Row("7").Decrypt(moved)
	assert.Equal(t, fernet.ErrInvalid, err, "it is under the new key")
	_, _, err = ring.Field("a.b").Row("8").Rotate(token)
	assert.Equal(t, fernet.ErrInvalid, err)
}

func TestARowKeepsNullAndEmptyApart(t *testing.T) {
	row := ringOf(t, vectorKey).Field("a.b").Row("7")
	null, err := column.Seal(row, (*string)(nil)).Value()
	require.NoError(t, err)
	assert.Nil(t, null)
	empty, err := column.Seal(row, "").Value()
	require.NoError(t, err)
	var out *string
	require.NoError(t, column.Scan(row, &out).Scan(empty))
	assert.Equal(t, new(""), out)
	require.NoError(t, column.Scan(row, &out).Scan(null))
	assert.Nil(t, out)
	out = new("before")
	assert.Equal(t, fernet.ErrInvalid, column.Scan(ringOf(t, vectorKey).Field("a.b").Row("8"), &out).Scan(empty))
	assert.Equal(t, new("before"), out)
}

func TestWhatIsNoFieldOrRowFailsClosed(t *testing.T) {
	ring := ringOf(t, vectorKey)
	field := ring.Field("a.b")
	token := field.Row("7").EncryptString("x")
	for name, b := range map[string]fernet.Bound{
		"zero": {}, "no id": field.Row(""), "no field": ring.Cipher().Row("7"), "no name": ring.Field("").Row("7"),
		"no ring": (*fernet.Keyring)(nil).Field("a.b").Row("7"), "no cipher": (*fernet.Cipher)(nil).Row("7"),
		"no keys": new(fernet.Keyring).Field("a.b").Row("7"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.DecryptString(token)
			assert.Equal(t, fernet.ErrInvalid, err)
			assert.Panics(t, func() { b.EncryptString("x") })
			v, err := column.Seal(b, "x").Value()
			assert.Nil(t, v)
			require.Error(t, err)
			v, err = column.Seal(b, nil).Value()
			assert.Nil(t, v)
			assert.NoError(t, err)
		})
	}
	_, err := ring.Field("").DecryptString(ring.Cipher().EncryptString("x"))
	assert.Equal(t, fernet.ErrInvalid, err)
}

func TestAFieldFollowsItsKeyring(t *testing.T) {
	a, b := fernet.GenerateKey(), fernet.GenerateKey()
	ring, err := fernet.NewKeyring(a)
	require.NoError(t, err)
	field, index := ring.Field("a.b"), column.NewIndex(ring, "a.b", nil)
	token, bound, blind := field.EncryptString("x"), field.Row("7").EncryptString("y"), index.Of("z")
	require.NoError(t, ring.Reconfigure(b, a))
	for _, c := range []*fernet.Cipher{field, ring.Field("a.b")} {
		text, err := c.DecryptString(token)
		require.NoError(t, err)
		assert.Equal(t, "x", text)
		text, err = c.Row("7").DecryptString(bound)
		require.NoError(t, err)
		assert.Equal(t, "y", text)
	}
	assert.NotEqual(t, blind, index.Of("z"))
	assert.Equal(t, []string{index.Of("z"), blind}, index.AllOf("z"))
	require.NoError(t, ring.Reconfigure(b))
	_, err = field.DecryptString(token)
	assert.Equal(t, fernet.ErrInvalid, err)
	_, err = field.Row("7").DecryptString(bound)
	assert.Equal(t, fernet.ErrInvalid, err)
	assert.Equal(t, []string{index.Of("z")}, index.AllOf("z"))
}

// FuzzRow: what one row's cipher has written opens there, and altered or
// elsewhere not.
func FuzzRow(f *testing.F) {
	f.Add("a.b", "1", []byte("text"), "a.b", "2", uint16(3), byte(1))
	f.Add("a", "", []byte{}, "b", "\x00", uint16(0), byte(0x80))
	f.Add("a", strings.Repeat("1", 5000), make([]byte, 5000), "a", strings.Repeat("1", 4999)+"2", uint16(9), byte(2))
	ring := ringOf(f, vectorKey)
	f.Fuzz(func(t *testing.T, column, id string, msg []byte, column2, id2 string, at uint16, xor byte) {
		here, there := ring.Field(column).Row(id), ring.Field(column2).Row(id2)
		if column == "" || id == "" {
			if _, err := here.Decrypt(msg); err == nil {
				t.Fatal("opened without a column or row")
			}
			return
		}
		token := here.Encrypt(msg)
		if text, err := here.Decrypt(token); err != nil || string(text) != string(msg) {
			t.Fatalf("got %q, %v", text, err)
		}
		if _, err := there.Decrypt(token); err == nil && (column != column2 || id != id2) {
			t.Fatalf("of %q %q, opened at %q %q", column, id, column2, id2)
		}
		token[int(at)%len(token)] ^= xor
		if _, err := here.Decrypt(token); err == nil && xor != 0 {
			t.Fatal("opened altered")
		}
		if _, err := here.Decrypt(msg); err == nil {
			t.Fatal("opened text that is no token")
		}
	})
}

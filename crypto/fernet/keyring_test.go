package fernet_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

const (
	keyA = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	keyB = "LRBg7qqVVSac0qN5mrxRpPhDhp3Vpyr5A4i_sga_T8Y="
)

func TestGeneratedKeysComeBackFromText(t *testing.T) {
	a, b := fernet.GenerateKey(), fernet.GenerateKey()
	assert.NotEqual(t, a.Reveal(), b.Reveal())
	again := key(t, a.Reveal())
	assert.Equal(t, a.Reveal(), again.Reveal())
	assert.Equal(t, a.ID(), again.ID())
	assert.NotEqual(t, a.ID(), b.ID())
	assert.Regexp(t, "^[0-9a-f]{16}$", a.ID())
	assert.Equal(t, "e3c4518f4df89f19", key(t, keyA).ID(), "IDs in old logs must keep their meaning")
	assert.Empty(t, fernet.Key{}.ID())
	assert.Empty(t, fernet.Key{}.Reveal())
}

func TestKeyringReportsEveryMistake(t *testing.T) {
	r, err := fernet.NewKeyring(fernet.Key{}, fernet.GenerateKey(), fernet.Key{})
	assert.Nil(t, r)
	require.Equal(t, "primary: missing\nold[1]: missing", conferrtest.Text(err))
	assert.Len(t, slices.Collect(rampart.Mistakes(err)), 2)

	many := make([]fernet.Key, fernet.MaxKeys)
	for i := range many {
		many[i] = fernet.GenerateKey()
	}
	_, err = fernet.NewKeyring(fernet.GenerateKey(), many...)
	require.Equal(t, "old: too_many", conferrtest.Text(err))
	_, err = fernet.NewKeyring(fernet.GenerateKey(), many[1:]...)
	require.NoError(t, err)
}

func TestReconfigureIsLiveAndKeepsTheOldKeysOnError(t *testing.T) {
	a, b := fernet.GenerateKey(), fernet.GenerateKey()
	r, err := fernet.NewKeyring(a)
	require.NoError(t, err)
	c := r.Cipher()
	token := c.EncryptString("text")

	require.Error(t, r.Reconfigure(fernet.Key{}))
	_, err = c.DecryptString(token)
	require.NoError(t, err)

	require.NoError(t, r.Reconfigure(b))
	_, err = c.DecryptString(token)
	assert.Equal(t, fernet.ErrInvalid, err)
}

func TestReconfigureUnderLoadLosesNothing(t *testing.T) {
	a, b := fernet.GenerateKey(), fernet.GenerateKey()
	r, err := fernet.NewKeyring(a, b)
	require.NoError(t, err)
	c := r.Cipher()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				_, err := c.DecryptString(c.EncryptString("text"))
				assert.NoError(t, err)
			}
		})
	}
	for range 100 {
		require.NoError(t, r.Reconfigure(b, a))
		require.NoError(t, r.Reconfigure(a, b))
	}
	wg.Wait()
}

func TestKeyringFromEnv(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	idA, idB := key(t, keyA).ID(), key(t, keyB).ID()
	tests := []struct {
		desc, env, file, want string
	}{
		{"one key", keyA, "", idA},
		{"two keys, the first one encrypts", keyA + "," + keyB, "", idA + " " + idB},
		{"spaces around keys", " " + keyA + " ,\t" + keyB + "\n", "", idA + " " + idB},
		{"a form feed and a no-break space around keys", keyA + "\f\n\f\n\u00a0" + keyB, "", idA + " " + idB},
		{"one key twice", keyA + "," + keyA, "", idA},
		{"neither variable", "", "", "KEYS: missing"},
		{"both variables", keyA, file("both", keyB, 0o600), "KEYS: conflict"},
		{"only space", " \n ", "", "KEYS: missing"},
		{"every bad key by its position", "bad," + keyA + "," + keyB + "x", "", "KEYS[0]: not_a_key\nKEYS[2]: not_a_key"},
		{"a comma at the end", keyA + ",", "", "KEYS[1]: not_a_key"},
		{"quotes", `"` + keyA + `"`, "", "KEYS[0]: not_a_key"},
		{"standard alphabet", strings.ReplaceAll(keyA, "_", "/"), "", "KEYS[0]: not_a_key"},
		{"too many", strings.Repeat(keyA+",", fernet.MaxKeys) + keyA, "", "KEYS: too_many"},
		{"a file of lines", "", file("lines", keyA+"\r\n\n"+keyB+"\n", 0o600), idA + " " + idB},
		{"a file as the environment has it", "", file("commas", keyA+","+keyB, 0o400), idA + " " + idB},
		{"a secret volume", "", file("volume", keyA, 0o440), idA},
		{"a file with a bad key", "", file("bad", keyA+"\nbad\n", 0o600), "KEYS_FILE[1]: not_a_key"},
		{"an empty file", "", file("empty", "", 0o600), "KEYS_FILE: missing"},
		{"a file for everyone", "", file("world", keyA, 0o644), `KEYS_FILE: unsafe: "` + dir + `/world"`},
		{"a file that the group writes", "", file("group", keyA, 0o660), `KEYS_FILE: unsafe: "` + dir + `/group"`},
		{"a large file", "", file("large", strings.Repeat("\n", 16<<10+1), 0o600), `KEYS_FILE: unreadable: "` + dir + `/large"`},
		{"a folder", "", dir, `KEYS_FILE: unreadable: "` + dir + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			t.Setenv("KEYS", tt.env)
			t.Setenv("KEYS_FILE", tt.file)
			r, err := fernet.KeyringFromEnv("KEYS")
			if err != nil {
				assert.Nil(t, r)
				assert.Equal(t, tt.want, conferrtest.Text(err))
				assert.NotContains(t, err.Error(), keyA[:8])
				assert.NotEmpty(t, slices.Collect(rampart.Mistakes(err)))
				return
			}
			assert.Equal(t, "REDACTED("+tt.want+")", r.String())
		})
	}
}

func TestKeyringFromFileTellsWhyItCannotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	_, err := fernet.KeyringFromFile(path)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	mistakes := slices.Collect(rampart.Mistakes(err))
	require.Len(t, mistakes, 1)
	assert.Equal(t, &rampart.ConfigError{Type: "fernet.KeyringFromFile", Field: "path", Reason: rampart.ReasonUnreadable, Value: path, Want: "name a file that this process can read"}, mistakes[0])
}

func FuzzKeyringReader(f *testing.F) {
	for _, s := range []string{keyA, keyA + "," + keyB, " " + keyA + "\r\n" + keyB + "\n", ",", "", keyA + "\n,\n", "\xff", keyA[:43] + "\n", keyA + "\n\f", "\v" + keyA + "\u00a0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\x00") {
			t.Skip("no variable can hold it")
		}
		t.Setenv("KEYS", text)
		t.Setenv("KEYS_FILE", "")
		r, err := fernet.KeyringFromEnv("KEYS")
		if err != nil {
			if r != nil || len(slices.Collect(rampart.Mistakes(err))) == 0 {
				t.Fatalf("got %v, %v", r, err)
			}
			return
		}
		// What was read is what stands there, as text: each key once.
		words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
		var ids []string
		for _, w := range words {
			if id := key(t, w).ID(); !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if want := "REDACTED(" + strings.Join(ids, " ") + ")"; r.String() != want {
			t.Fatalf("got %s; want %s", r, want)
		}
	})
}

func TestKeysNeverPrint(t *testing.T) {
	k := key(t, keyA)
	r, err := fernet.NewKeyring(k, key(t, keyB))
	require.NoError(t, err)
	c := r.Cipher()
	type held struct {
		K    fernet.Key
		R    *fernet.Keyring
		C    *fernet.Cipher
		priv fernet.Key
		ring *fernet.Keyring
		B    fernet.Bound
		X    *column.Index
		b    fernet.Bound
		x    *column.Index
		f    *fernet.Cipher
	}
	field, index := r.Field("a.b"), column.NewIndex(r, "a.b", nil)
	row := field.Row("7")
	field.EncryptString("x") // derives the keys
	row.EncryptString("x")
	h := held{k, r, c, k, r, row, index, row, index, field}
	var out string
	values := []any{
		k, &k, r, c,
		[]fernet.Key{k},
		map[string]fernet.Key{"k": k},
		h, &h, field, row, &row, index,
		[]fernet.Bound{row},
		column.Scan(field, &out), column.Scan(row, &out), column.Seal(row, "text"), index.Seal("text"),
		column.Reencrypt{Table: index.Of("x"), Cipher: field, Index: index, From: c},
	}
	secrets := secretForms(t, keyA, keyB)
	for _, use := range []string{"field", "row", "index"} {
		raw, err := base64.URLEncoding.DecodeString(keyA)
		require.NoError(t, err)
		derived, err := hkdf.Key(sha256.New, raw, nil, "rampart/crypto v1 "+use+"\x00a.b", 32)
		require.NoError(t, err)
		secrets = append(secrets, secretForms(t, base64.URLEncoding.EncodeToString(derived))...)
	}
	for _, v := range values {
		wrapped := "%p %[1]w" // fmt asks no Formatter about these two
		for _, text := range append(printed(t, v), fmt.Sprintf(wrapped, v)) {
			for _, secret := range secrets {
				assert.NotContains(t, text, secret, "%T", v)
			}
		}
	}
	for _, v := range []any{k, r, c, field, row, index} {
		for _, text := range printed(t, v) {
			assert.Contains(t, text, "REDACTED("+k.ID())
		}
	}
	assert.Equal(t, "REDACTED()", fernet.Key{}.String())
	assert.Equal(t, "REDACTED()", (*fernet.Keyring)(nil).String())
	assert.Equal(t, "REDACTED()", (*column.Index)(nil).String())
	assert.Equal(t, "REDACTED()", fernet.Bound{}.String())
	for _, v := range []any{k, r, c, field, row, index} {
		func() {
			defer func() { assert.Contains(t, fmt.Sprintf("panic: %v", recover()), "panic: REDACTED(") }()
			panic(v)
		}()
	}
	var back struct{ K any }
	back.K = new(fernet.Key)
	assert.Error(t, json.Unmarshal([]byte(`{"K":"`+k.String()+`"}`), &back), "what is redacted cannot be read back by mistake")
	assert.Equal(t, "boom REDACTED("+k.ID()+")", fmt.Errorf("boom %w%v", errors.New(""), k).Error())
}

func TestReloadReadsTheKeysAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte(keyA), 0o600))
	t.Setenv("KEYS", "")
	t.Setenv("KEYS_FILE", file)
	fromFile, err := fernet.KeyringFromFile(file)
	require.NoError(t, err)
	fromEnv, err := fernet.KeyringFromEnv("KEYS")
	require.NoError(t, err)
	for _, r := range []*fernet.Keyring{fromFile, fromEnv} {
		require.NoError(t, os.WriteFile(file, []byte(keyA), 0o600))
		require.NoError(t, r.Reload())
		c := r.Cipher()
		token := c.EncryptString("text")
		require.NoError(t, os.WriteFile(file, []byte(keyB+"\n"+keyA), 0o600))
		require.NoError(t, r.Reload())
		_, changed, err := c.Rotate([]byte(token))
		require.NoError(t, err)
		assert.True(t, changed)
		before := r.String()
		require.NoError(t, os.WriteFile(file, []byte("junk"), 0o600))
		require.Error(t, r.Reload())
		assert.Equal(t, before, r.String(), "what cannot be read changes nothing")
	}
	made, err := fernet.NewKeyring(key(t, keyA))
	require.NoError(t, err)
	require.Error(t, made.Reload())
}

func TestAKeyIsAnnouncedThenRotatedTo(t *testing.T) {
	old, next := fernet.GenerateKey(), fernet.GenerateKey()
	ring, err := fernet.NewKeyring(old)
	require.NoError(t, err)
	elsewhere, err := fernet.NewKeyring(next)
	require.NoError(t, err)
	c, token := ring.Cipher(), elsewhere.Cipher().EncryptString("x")
	_, err = c.DecryptString(token)
	require.Error(t, err)
	for range 2 {
		require.NoError(t, ring.Announce(next))
		assert.Equal(t, 2, ring.Len())
	}
	text, err := c.DecryptString(token)
	require.NoError(t, err)
	assert.Equal(t, "x", text)
	before := c.EncryptString("y")
	_, err = elsewhere.Cipher().DecryptString(before)
	require.Error(t, err, "it does not encrypt yet")
	for range 2 {
		require.NoError(t, ring.Rotate(next))
		assert.Equal(t, 2, ring.Len())
	}
	text, err = elsewhere.Cipher().DecryptString(c.EncryptString("z"))
	require.NoError(t, err)
	assert.Equal(t, "z", text)
	text, err = c.DecryptString(before)
	require.NoError(t, err, "the old key goes on decrypting")
	assert.Equal(t, "y", text)
	require.NoError(t, ring.Announce(old), "one that is there stays where it is")
	text, err = elsewhere.Cipher().DecryptString(c.EncryptString("z"))
	require.NoError(t, err)
	assert.Equal(t, "z", text)

	for ring.Len() < fernet.MaxKeys {
		require.NoError(t, ring.Announce(fernet.GenerateKey()))
	}
	require.Error(t, ring.Announce(fernet.GenerateKey()))
	require.Error(t, ring.Rotate(fernet.GenerateKey()))
	assert.Equal(t, fernet.MaxKeys, ring.Len())
	require.Error(t, ring.Announce(fernet.Key{}))
	require.Error(t, ring.Rotate(fernet.Key{}))

	var zero fernet.Keyring
	require.ErrorContains(t, zero.Announce(next), "NewKeyring")
	require.ErrorContains(t, zero.Rotate(next), "NewKeyring")
	assert.Zero(t, zero.Len())
}

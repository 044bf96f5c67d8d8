package fernet_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// TestOnlyOneTextOpens changes short tokens in every way that one byte can be
// changed: the three lengths have none, one and two padding characters.
func TestOnlyOneTextOpens(t *testing.T) {
	c := newCipher(t)
	sizes := []int{0, 16, 32}
	if raceEnabled { // twenty times slower, and nothing here is concurrent
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		token := c.Encrypt(make([]byte, n))
		refuse := func(how string, altered []byte) {
			if text, err := c.Decrypt(altered); err != fernet.ErrInvalid || text != nil { //nolint:errorlint // nothing may wrap it
				t.Errorf("%s: got %q, %v", how, text, err)
			}
		}
		for i := range token {
			for b := range 256 {
				if byte(b) != token[i] {
					altered := bytes.Clone(token)
					altered[i] = byte(b)
					refuse("change", altered)
				}
				refuse("insertion", slices.Insert(bytes.Clone(token), i, byte(b)))
			}
			refuse("deletion", slices.Delete(bytes.Clone(token), i, i+1))
			refuse("truncation", token[:i])
			refuse("truncation in front", token[i+1:])
			for j := range token[:i] {
				if altered := bytes.Clone(token); altered[i] != altered[j] {
					altered[i], altered[j] = altered[j], altered[i]
					refuse("exchange", altered)
				}
			}
			for _, s := range []string{"\r\n", "====", "\n\n\n\n", "AAAA", "%3D", "\xef\xbb\xbf"} {
				refuse("insertion of "+s, slices.Insert(bytes.Clone(token), i, []byte(s)...))
			}
		}
		for b := range 256 {
			refuse("appended byte", append(bytes.Clone(token), byte(b)))
		}
		refuse("appended line ends", append(bytes.Clone(token), "\n\n\n\n"...))
		refuse("two tokens", append(bytes.Clone(token), token...))
		raw, err := base64.URLEncoding.DecodeString(string(token))
		assert.NoError(t, err)
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding, base64.RawStdEncoding} {
			if text := enc.EncodeToString(raw); text != string(token) {
				refuse("re-encoding", []byte(text))
			}
		}
		for bit := range len(raw) * 8 {
			altered := bytes.Clone(raw)
			altered[bit/8] ^= 1 << (bit % 8)
			refuse("flipped bit", base64.URLEncoding.AppendEncode(nil, altered))
		}
	}
}

// FuzzDecrypt: whatever opens is exactly what the encoder would write for it.
func FuzzDecrypt(f *testing.F) {
	const keyText = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	o := readOracle(f)
	for _, tt := range o.Tokens {
		f.Add([]byte(tt.Token))
	}
	for _, tt := range o.Corrupt {
		f.Add([]byte(tt.Token))
	}
	c := cipherOf(f, keyText)
	good := c.Encrypt([]byte("text"))
	f.Add(good)
	f.Fuzz(func(t *testing.T, token []byte) {
		before := bytes.Clone(token)
		text, err := c.Decrypt(token)
		if !bytes.Equal(before, token) {
			t.Fatal("the token was written to")
		}
		if err != nil {
			if text != nil || err != fernet.ErrInvalid { //nolint:errorlint // nothing may wrap it
				t.Fatalf("got %q, %v", text, err)
			}
			return
		}
		raw, err := base64.URLEncoding.DecodeString(string(token))
		if err != nil {
			t.Fatal(err)
		}
		at, err := c.Timestamp(token)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference(t, keyText, uint64(at.Unix()), raw[9:25], text); want != string(token) {
			t.Fatalf("%q opened, but %q is its only text", token, want)
		}
	})
}

// FuzzAlteredToken alters a good token: it opens only where it was not altered.
func FuzzAlteredToken(f *testing.F) {
	f.Add([]byte("text"), uint16(3), []byte("x"), uint16(1))
	f.Add([]byte{}, uint16(99), []byte("\n"), uint16(0))
	f.Add(make([]byte, 5000), uint16(4000), []byte{}, uint16(4))
	r, err := fernet.NewKeyring(fernet.GenerateKey(), fernet.GenerateKey())
	if err != nil {
		f.Fatal(err)
	}
	c := r.Cipher()
	f.Fuzz(func(t *testing.T, msg []byte, at uint16, with []byte, instead uint16) {
		token := c.Encrypt(msg)
		i := min(int(at), len(token))
		j := min(i+int(instead), len(token))
		altered := slices.Concat(token[:i], with, token[j:])
		text, err := c.Decrypt(altered)
		switch {
		case bytes.Equal(altered, token):
			if err != nil || !bytes.Equal(text, msg) {
				t.Fatalf("the token itself: got %q, %v", text, err)
			}
		case err == nil:
			t.Fatalf("%q opened instead of %q", altered, token)
		}
	})
}

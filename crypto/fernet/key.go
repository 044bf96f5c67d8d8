package fernet

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/ecolaura/rampart/internal/conferr"
)

const (
	keySize     = 32
	keyTextSize = 44 // of its base64url text
)

// A Key is a Fernet key: 16 bytes that sign and 16 that encrypt. Whatever prints
// it (fmt with any verb, slog, encoding/json) shows its [Key.ID] only. The zero
// Key is no key: a [Keyring] refuses it.
type Key struct {
	// A function, not a pointer: fmt follows a pointer in a foreign struct's
	// unexported field, where it may not call Format, when the verb does not fit.
	bytes func() *[keySize]byte
}

func newKey(b *[keySize]byte) Key {
	return Key{bytes: func() *[keySize]byte { return b }}
}

// GenerateKey returns a new random key.
func GenerateKey() Key {
	b := new([keySize]byte)
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return newKey(b)
}

// ParseKey reads the text form of a key, as Python's Fernet.generate_key and
// [Key.Reveal] write it: the canonical, padded base64url text of 32 bytes, with
// nothing around it. The error is a [*rampart.ConfigError] without the text.
func ParseKey(text string) (Key, error) {
	b, ok := parseKey(text)
	if !ok {
		return Key{}, conferr.New("fernet.ParseKey", "text", ReasonNotAKey, nil, wantKey)
	}
	return newKey(b), nil
}

func parseKey(s string) (*[keySize]byte, bool) {
	if len(s) != keyTextSize {
		return nil, false
	}
	// Strict refuses set trailing bits; line ends, which it skips, leave the
	// result short of 32 bytes.
	raw, err := base64.URLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != keySize {
		return nil, false
	}
	return (*[keySize]byte)(raw), true
}

// Reveal returns the text form of the key, for a secret store. It is "" for the
// zero Key.
func (k Key) Reveal() string {
	if k.bytes == nil {
		return ""
	}
	return base64.URLEncoding.EncodeToString(k.bytes()[:])
}

// ID returns a fingerprint of the key, 16 hexadecimal digits, that is safe to log
// and to compare: it says which key is meant and nothing about it. It is "" for
// the zero Key.
func (k Key) ID() string {
	if k.bytes == nil {
		return ""
	}
	// What a key signs begins with the version byte 0x80, so that this is no
	// signature of any token.
	mac := hmac.New(sha256.New, k.bytes()[:])
	mac.Write([]byte("rampart/crypto: key id"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

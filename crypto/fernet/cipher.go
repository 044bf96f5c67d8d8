package fernet

import (
	"errors"
	"time"
)

// ErrInvalid is the one error of decryption: the token is malformed, forged,
// expired, or of another key. Which of these is not said, and not to be told
// from the time that it takes.
var ErrInvalid = errors.New("fernet: invalid token")

// A Cipher encrypts and decrypts under the keys of a [Keyring], which makes it.
// It is safe for concurrent use. Without keys (the zero Cipher) it opens nothing
// and panics when asked to encrypt.
type Cipher struct {
	ring     *Keyring
	field    string // "" is the Cipher of the keys as they are
	own, row derived
}

// form returns how tokens are made and read as of now.
func (c *Cipher) form() form {
	switch {
	case c == nil || c.ring == nil:
		return form{}
	case c.field == "":
		return form{set: c.ring.set.Load(), version: versionFernet}
	default:
		return form{set: c.own.get(c.ring, useField, c.field), version: versionFernet}
	}
}

// Usable reports whether c has a key, so that Encrypt does not panic.
func (c *Cipher) Usable() bool { return c.form().set != nil }

// Encrypt returns a token of msg with the current time.
func (c *Cipher) Encrypt(msg []byte) []byte { return c.AppendEncrypt(nil, msg) }

// EncryptString is [Cipher.Encrypt] for strings.
func (c *Cipher) EncryptString(s string) string { return string(c.AppendEncrypt(nil, []byte(s))) }

// AppendEncrypt appends a token of msg with the current time to dst. It does not
// allocate when dst has room for the token ([EncryptedLen]) and is no part of
// the array that holds msg.
func (c *Cipher) AppendEncrypt(dst, msg []byte) []byte {
	return c.form().seal(dst, msg, now())
}

// EncryptAt is [Cipher.Encrypt] with a time of the caller's choice, in whole
// seconds. A time before 1970 becomes 1970: the format has no earlier one.
func (c *Cipher) EncryptAt(msg []byte, at time.Time) []byte {
	return c.form().seal(nil, msg, seconds(at))
}

// Decrypt returns the text of a token of any age, or [ErrInvalid].
func (c *Cipher) Decrypt(token []byte) ([]byte, error) { return c.AppendDecrypt(nil, token) }

// DecryptString is [Cipher.Decrypt] for strings.
func (c *Cipher) DecryptString(token string) (string, error) {
	text, err := c.AppendDecrypt(nil, []byte(token))
	return string(text), err
}

// AppendDecrypt appends the text of a token of any age to dst, or returns dst as
// it was and [ErrInvalid]. It does not allocate when dst has room for
// three quarters of the token's length and is no part of the array that holds
// the token. Bytes of dst beyond its new length may have been written to, but
// never with text that was not authenticated.
func (c *Cipher) AppendDecrypt(dst, token []byte) ([]byte, error) {
	return c.form().appendDecrypt(dst, token)
}

// DecryptAt returns the text of a token that is, at the time now, at most ttl
// old, or [ErrInvalid]. As in Python, times are whole seconds: a token of time
// ts opens while ts+ttl >= now >= ts-60 s, so a ttl of 0 does not outlive the
// second in which the token was made.
func (c *Cipher) DecryptAt(token []byte, ttl time.Duration, now time.Time) ([]byte, error) {
	return c.form().decryptAt(token, ttl, now)
}

// Timestamp returns when a token was made, or [ErrInvalid] if it does not open.
// Times after the year 9999, which neither JSON nor SQL can hold, are given as
// that year's last second.
func (c *Cipher) Timestamp(token []byte) (time.Time, error) {
	return c.form().timestamp(token)
}

// Rotate returns a token of the same text and time under the first key. If token
// is already under that key, it is returned as it is and changed is false.
// Its age does not matter. The error is [ErrInvalid].
func (c *Cipher) Rotate(token []byte) (t []byte, changed bool, err error) {
	return c.form().rotate(token)
}

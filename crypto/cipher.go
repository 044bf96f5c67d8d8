package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ErrInvalid is the one error of decryption: the token is malformed, forged,
// expired, or of another key. Which of these is not said, and not to be told
// from the time that it takes.
var ErrInvalid = errors.New("crypto: invalid token")

// maxClockSkew is how far ahead of the reader's clock a token's time may be.
const maxClockSkew = 60 * time.Second

// A Cipher encrypts and decrypts under the keys of a [Keyring], which makes it.
// It is safe for concurrent use. Without keys (the zero Cipher) it opens nothing
// and panics when asked to encrypt.
type Cipher struct {
	ring *Keyring
}

// keys returns the keys as they are now, or nil.
func (c *Cipher) keys() *keySet {
	if c == nil || c.ring == nil {
		return nil
	}
	return c.ring.set.Load()
}

// Encrypt returns a token of msg with the current time.
func (c *Cipher) Encrypt(msg []byte) []byte { return c.AppendEncrypt(nil, msg) }

// EncryptString is [Cipher.Encrypt] for strings.
func (c *Cipher) EncryptString(s string) string { return string(c.AppendEncrypt(nil, []byte(s))) }

// AppendEncrypt appends a token of msg with the current time to dst. It does not
// allocate when dst has room for the token ([EncryptedLen]) and is no part of
// the array that holds msg.
func (c *Cipher) AppendEncrypt(dst, msg []byte) []byte {
	return c.seal(dst, msg, uint64(time.Now().Unix())) //nolint:gosec // G115: after 1970
}

// EncryptAt is [Cipher.Encrypt] with a time of the caller's choice, in whole
// seconds. A time before 1970 becomes 1970: the format has no earlier one.
func (c *Cipher) EncryptAt(msg []byte, at time.Time) []byte {
	return c.seal(nil, msg, uint64(max(at.Unix(), 0)))
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
	o, ok := c.open(dst, token)
	if !ok {
		return dst, ErrInvalid
	}
	return o.text, nil
}

// DecryptAt returns the text of a token that is, at the time now, at most ttl
// old, or [ErrInvalid]. As in Python, times are whole seconds: a token of time
// ts opens while ts+ttl >= now >= ts-60 s, so a ttl of 0 does not outlive the
// second in which the token was made.
func (c *Cipher) DecryptAt(token []byte, ttl time.Duration, now time.Time) ([]byte, error) {
	o, ok := c.open(nil, token)
	if !ok || !fresh(o.time, ttl, now) {
		return nil, ErrInvalid
	}
	return o.text, nil
}

// fresh says whether a token of time ts, which is any 64-bit number, may be
// opened.
func fresh(ts uint64, ttl time.Duration, now time.Time) bool {
	at := uint64(max(now.Unix(), 0))
	if ts > at+uint64(maxClockSkew/time.Second) {
		return false
	}
	limit := ttl / time.Second
	if ttl%time.Second < 0 {
		limit-- // rounded down, as the age below is
	}
	return int64(at-ts) <= int64(limit) //nolint:gosec // G115: wraps to the negative age of a token from ahead
}

// Timestamp returns when a token was made, or [ErrInvalid] if it does not open.
// Times after the year 9999, which neither JSON nor SQL can hold, are given as
// that year's last second.
func (c *Cipher) Timestamp(token []byte) (time.Time, error) {
	const last = 253402300799 // 9999-12-31T23:59:59Z
	o, ok := c.open(nil, token)
	if !ok {
		return time.Time{}, ErrInvalid
	}
	return time.Unix(int64(min(o.time, last)), 0).UTC(), nil
}

// Rotate returns a token of the same text and time under the first key. If token
// is already under that key, it is returned as it is and changed is false.
// Its age does not matter. The error is [ErrInvalid].
func (c *Cipher) Rotate(token []byte) (t []byte, changed bool, err error) {
	o, ok := c.open(nil, token)
	switch {
	case !ok:
		return nil, false, ErrInvalid
	case o.key == 0:
		return token, false, nil
	}
	t = c.seal(nil, o.text, o.time)
	clear(o.text)
	return t, true, nil
}

func (c *Cipher) seal(dst, msg []byte, ts uint64) []byte {
	set := c.keys()
	if set == nil {
		panic("crypto: Cipher without a key") // to return anything would be to store it in the clear or to lose it
	}
	if sameArray(dst, msg) {
		msg = bytes.Clone(msg)
	}
	return set.seal(dst, msg, ts)
}

func (c *Cipher) open(dst, token []byte) (opened, bool) {
	set := c.keys()
	if set == nil {
		return opened{}, false
	}
	if sameArray(dst, token) {
		token = bytes.Clone(token)
	}
	return set.open(dst, token)
}

// sameArray says whether a and b end in the same array, as parts of one buffer
// do: to write behind a could then change b.
func sameArray(a, b []byte) bool {
	return cap(a) > 0 && cap(b) > 0 && &a[:cap(a)][cap(a)-1] == &b[:cap(b)][cap(b)-1]
}

// String returns what the String method of the cipher's Keyring returns.
func (c *Cipher) String() string {
	if c == nil {
		return (*Keyring)(nil).String()
	}
	return c.ring.String()
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (c *Cipher) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue implements [slog.LogValuer] with what String returns.
func (c *Cipher) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (c *Cipher) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

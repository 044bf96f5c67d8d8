package fernet

import (
	"bytes"
	"errors"
	"time"
)

// maxClockSkew is how far ahead of the reader's clock a token's time may be.
const maxClockSkew = 60 * time.Second

// A form is the keys and the shape of a token: what a [Cipher] and a [Bound]
// differ in.
type form struct {
	set     *keySet // nil: opens nothing, panics when asked to encrypt
	version byte
	row     string // authenticated with the token if version is versionRow
}

var errNoKey = errors.New("fernet: Cipher without a key, or Row without a field or an id")

// now is the current time as a token has it.
func now() uint64 { return seconds(time.Now()) }

func seconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

func (f form) seal(dst, msg []byte, ts uint64) []byte {
	if f.set == nil {
		panic(errNoKey.Error()) // to return anything would be to store it in the clear or to lose it
	}
	if sameArray(dst, msg) {
		msg = bytes.Clone(msg)
	}
	return f.set.seal(dst, msg, ts, &f)
}

func (f form) open(dst, token []byte) (opened, bool) {
	if f.set == nil {
		return opened{}, false
	}
	if sameArray(dst, token) {
		token = bytes.Clone(token)
	}
	return f.set.open(dst, token, &f)
}

// sameArray reports whether a and b end in the same array, as parts of one buffer
// do: to write behind a could then change b.
func sameArray(a, b []byte) bool {
	return cap(a) > 0 && cap(b) > 0 && &a[:cap(a)][cap(a)-1] == &b[:cap(b)][cap(b)-1]
}

func (f form) appendDecrypt(dst, token []byte) ([]byte, error) {
	o, ok := f.open(dst, token)
	if !ok {
		return dst, ErrInvalid
	}
	return o.text, nil
}

func (f form) decryptAt(token []byte, ttl time.Duration, now time.Time) ([]byte, error) {
	o, ok := f.open(nil, token)
	if !ok || !fresh(o.time, ttl, now) {
		return nil, ErrInvalid
	}
	return o.text, nil
}

// fresh reports whether a token of time ts, which is any 64-bit number, may be
// opened.
func fresh(ts uint64, ttl time.Duration, now time.Time) bool {
	at := seconds(now)
	if ts > at+uint64(maxClockSkew/time.Second) {
		return false
	}
	limit := ttl / time.Second
	if ttl%time.Second < 0 {
		limit-- // rounded down, as the age below is
	}
	return int64(at-ts) <= int64(limit) //nolint:gosec // G115: wraps to the negative age of a token from ahead
}

func (f form) timestamp(token []byte) (time.Time, error) {
	const last = 253402300799 // 9999-12-31T23:59:59Z
	o, ok := f.open(nil, token)
	if !ok {
		return time.Time{}, ErrInvalid
	}
	return time.Unix(int64(min(o.time, last)), 0).UTC(), nil
}

func (f form) rotate(token []byte) (t []byte, changed bool, err error) {
	o, ok := f.open(nil, token)
	switch {
	case !ok:
		return nil, false, ErrInvalid
	case o.key == 0:
		return token, false, nil
	}
	t = f.seal(nil, o.text, o.time)
	clear(o.text)
	return t, true, nil
}

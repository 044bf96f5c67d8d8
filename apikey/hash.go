package apikey

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
)

// A hasher hashes keys for storing. A key has 178 random bits, so a fast hash
// is as hard to invert as a slow one; a pepper, kept outside the database,
// makes a stolen table useless even against guessable imported keys.
type hasher struct {
	peppers [][]byte // at least one; an empty one stands for plain SHA-256
}

func newHasher(peppers [][]byte) hasher {
	if len(peppers) == 0 {
		return hasher{peppers: make([][]byte, 1)}
	}
	h := hasher{peppers: make([][]byte, len(peppers))}
	for i, p := range peppers {
		h.peppers[i] = bytes.Clone(p)
	}
	return h
}

// sum hashes text with the i-th pepper.
func (h hasher) sum(i int, text string) []byte {
	if len(h.peppers[i]) == 0 {
		d := sha256.Sum256(view(text))
		return d[:]
	}
	mac := hmac.New(sha256.New, h.peppers[i])
	mac.Write(view(text))
	return mac.Sum(nil)
}

// match returns the number of the pepper under which text hashes to stored, or
// -1. Every pepper is tried, so that the time taken tells nothing.
func (h hasher) match(text string, stored []byte) int {
	found := -1
	for i := range h.peppers {
		if subtle.ConstantTimeCompare(h.sum(i, text), stored) == 1 {
			found = i
		}
	}
	return found
}

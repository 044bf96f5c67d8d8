package crypto

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"sync/atomic"
)

// indexSize is the length of a blind index in bytes: 128 bits, at which no two
// values of a table meet by chance.
const indexSize = 16

// An Index makes blind indexes, by which a column of encrypted values can be
// searched for equality: a keyed hash of the value, in a column of its own
// beside the encrypted one. It is safe for concurrent use. Create one with
// [Keyring.Index]. The zero Index finds nothing and panics when asked for the
// index of a value to store.
//
// It gives away which rows hold equal values, and so how often each occurs:
// whoever sees the table can tell the most common value, and match frequencies
// against what is known of the world. Whoever can have values of their choice
// stored can tell which rows hold them. So it is for values of which nearly all
// are different (phone numbers, addresses), not for such as a gender, a city or a
// diagnosis. Without the key no value can be tried.
type Index struct {
	ring *Keyring
	name string
	norm func(string) string
	keys atomic.Pointer[indexKeys]
}

type indexKeys struct {
	from *keySet
	keys []*[keySize]byte
}

var errNoIndexKey = errors.New("crypto: Index without a key")

// Index returns the blind index of one column, such as "customers.phone", under
// keys derived from the keyring's for that name. What norm makes equal is found
// as equal, such as "+1 555 0100" and "+15550100"; nil takes values as they are.
// A change of norm needs all indexes anew ([Reencrypt]). The empty name is none,
// and its Index has no keys.
func (r *Keyring) Index(name string, norm func(string) string) *Index {
	if norm == nil {
		norm = func(v string) string { return v }
	}
	if name == "" {
		return &Index{}
	}
	return &Index{ring: r, name: name, norm: norm}
}

// current returns the keys as they are now; nil if there are none.
func (x *Index) current() []*[keySize]byte {
	if x == nil || x.ring == nil {
		return nil
	}
	from := x.ring.set.Load()
	if from == nil {
		return nil
	}
	if last := x.keys.Load(); last != nil && last.from == from {
		return last.keys
	}
	fresh := &indexKeys{from: from}
	for _, k := range from.source {
		fresh.keys = append(fresh.keys, k.derive(useIndex, x.name))
	}
	x.keys.Store(fresh)
	return fresh.keys
}

// Of returns the index of v under the first key, to be stored: 22 characters of
// base64url.
func (x *Index) Of(v string) string {
	keys := x.current()
	if len(keys) == 0 {
		panic(errNoIndexKey.Error())
	}
	return blind(keys[0], x.norm(v))
}

// AllOf returns the index of v under each key, the first one's first, to be
// searched for while keys are changed:
//
//	SELECT … WHERE phone_index IN (?, ?)
func (x *Index) AllOf(v string) []string {
	var all []string
	for _, key := range x.current() {
		all = append(all, blind(key, x.norm(v)))
	}
	return all
}

// Seal returns the index of v under the first key as an argument for
// database/sql. It takes what [Cipher.Seal] takes; what is nil becomes NULL.
func (x *Index) Seal(v any) driver.Valuer {
	text, null, err := plaintext(v)
	if err != nil || null {
		return sealed{err: err, null: null}
	}
	if len(x.current()) == 0 {
		return sealed{err: errNoIndexKey}
	}
	return sealed{token: x.Of(string(text))}
}

// blind returns the first 128 bits of HMAC-SHA256, as base64url without padding.
func blind(key *[keySize]byte, v string) string {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(v))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:indexSize])
}

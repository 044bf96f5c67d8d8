package column

import (
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// indexSize is the length of a blind index in bytes: 128 bits, at which no two
// values of a table meet by chance.
const indexSize = 16

// An Index makes blind indexes, by which a column of encrypted values can be
// searched for equality: a keyed hash of the value, in a column of its own
// beside the encrypted one. It is safe for concurrent use. Create one with
// [NewIndex]. The zero Index finds nothing and panics when asked for the
// index of a value to store.
//
// It gives away which rows hold equal values, and so how often each occurs:
// anyone who sees the table can tell the most common value, and match frequencies
// against what is known of the world. Someone who can have values of their choice
// stored can tell which rows hold them. So it is for values of which nearly all
// are different (phone numbers, addresses), not for such as a gender, a city or a
// diagnosis. Without the key no value can be tried.
type Index struct {
	mac  *fernet.MAC
	norm func(string) string
}

var errNoIndexKey = errors.New("column: Index without a key")

// NewIndex returns the blind index of one column, such as "customers.phone", under
// keys derived from the keyring's for that name. What norm makes equal is found
// as equal, such as "+1 555 0100" and "+15550100"; nil takes values as they are.
// A change of norm needs all indexes anew ([Reencrypt]). The empty name is no name,
// and its Index has no keys.
func NewIndex(ring *fernet.Keyring, name string, norm func(string) string) *Index {
	if norm == nil {
		norm = func(v string) string { return v }
	}
	return &Index{mac: ring.MAC(name), norm: norm}
}

// usable reports whether x has a key.
func (x *Index) usable() bool { return x != nil && x.mac.Usable() }

// Of returns the index of v under the first key, to be stored: 22 characters of
// base64url.
func (x *Index) Of(v string) string {
	if !x.usable() {
		panic(errNoIndexKey.Error())
	}
	return blind(x.mac.Sum([]byte(x.norm(v))))
}

// AllOf returns the index of v under each key, the first one's first, to be
// searched for while keys are changed:
//
//	SELECT … WHERE phone_index IN (?, ?)
func (x *Index) AllOf(v string) []string {
	if !x.usable() {
		return nil
	}
	var all []string
	for _, sum := range x.mac.Sums([]byte(x.norm(v))) {
		all = append(all, blind(sum))
	}
	return all
}

// Seal returns the index of v under the first key as an argument for
// database/sql. It takes what [Seal] takes; what is nil becomes NULL.
func (x *Index) Seal(v any) driver.Valuer {
	text, null, err := plaintext(v)
	if err != nil || null {
		return sealed{err: err, null: null}
	}
	if !x.usable() {
		return sealed{err: errNoIndexKey}
	}
	return sealed{token: x.Of(string(text))}
}

// blind returns the first 128 bits of a hash as base64url without padding.
func blind(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:indexSize]) }

// String returns what the String method of the index's Keyring returns.
func (x *Index) String() string {
	if x == nil {
		return (*fernet.MAC)(nil).String()
	}
	return x.mac.String()
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (x *Index) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(x.String())) }

// LogValue implements [slog.LogValuer] with what String returns.
func (x *Index) LogValue() slog.Value { return slog.StringValue(x.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (x *Index) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

package fernet

import (
	"crypto/hkdf"
	"crypto/sha256"
	"sync/atomic"
	"time"
)

// What a derived key is for; part of its derivation.
const (
	useField = "field"
	useRow   = "row"
	useMAC   = "index"
)

// Field returns the cipher of one column, such as "customers.note": its keys are
// derived from the keyring's for that name, so what it has encrypted opens in no
// other column, and the other way round. Its tokens are Fernet's; docs/encryption.md
// has the derivation. With [Cipher.Row] a value is bound to its row as well.
//
// The name is part of the key: a column that is renamed keeps its old name here.
// The empty name is no name, and its Cipher has no keys. A Cipher follows
// [Keyring.Reconfigure] and holds its derived keys, so make it once, not for each
// request.
func (r *Keyring) Field(name string) *Cipher {
	if name == "" {
		return &Cipher{}
	}
	return &Cipher{ring: r, field: name}
}

// Row returns what encrypts and decrypts the value of one row of the column: a
// token opens with the same id only, so two of them cannot be swapped in the
// table. The id is the row's primary key as text (an integer in decimal). It must
// be known when the value is encrypted and must not change after; what numbers
// its rows itself inserts first and stores the value in the same transaction.
//
// The Cipher has to be one of [Keyring.Field], and the id must not be empty: else
// the Bound opens nothing and panics when asked to encrypt.
func (c *Cipher) Row(id string) Bound { return Bound{c: c, id: id} }

// A Bound encrypts and decrypts the value of one row; see [Cipher.Row]. Its
// tokens are of a form of their own, which no Fernet library opens
// (docs/encryption.md has it). It is safe for concurrent use. The zero Bound
// opens nothing and panics when asked to encrypt.
type Bound struct {
	c  *Cipher
	id string
}

func (b Bound) form() form {
	if b.c == nil || b.c.ring == nil || b.c.field == "" || b.id == "" {
		return form{}
	}
	return form{set: b.c.row.get(b.c.ring, useRow, b.c.field), version: versionRow, row: b.id}
}

// Usable reports whether b has a key, so that Encrypt does not panic.
func (b Bound) Usable() bool { return b.form().set != nil }

// Encrypt is [Cipher.Encrypt] for the row.
func (b Bound) Encrypt(msg []byte) []byte { return b.form().seal(nil, msg, now()) }

// EncryptString is [Cipher.EncryptString] for the row.
func (b Bound) EncryptString(s string) string { return string(b.form().seal(nil, []byte(s), now())) }

// AppendEncrypt is [Cipher.AppendEncrypt] for the row.
func (b Bound) AppendEncrypt(dst, msg []byte) []byte { return b.form().seal(dst, msg, now()) }

// EncryptAt is [Cipher.EncryptAt] for the row.
func (b Bound) EncryptAt(msg []byte, at time.Time) []byte {
	return b.form().seal(nil, msg, seconds(at))
}

// Decrypt is [Cipher.Decrypt] for the row.
func (b Bound) Decrypt(token []byte) ([]byte, error) { return b.form().appendDecrypt(nil, token) }

// DecryptString is [Cipher.DecryptString] for the row.
func (b Bound) DecryptString(token string) (string, error) {
	text, err := b.form().appendDecrypt(nil, []byte(token))
	return string(text), err
}

// AppendDecrypt is [Cipher.AppendDecrypt] for the row.
func (b Bound) AppendDecrypt(dst, token []byte) ([]byte, error) {
	return b.form().appendDecrypt(dst, token)
}

// DecryptAt is [Cipher.DecryptAt] for the row.
func (b Bound) DecryptAt(token []byte, ttl time.Duration, now time.Time) ([]byte, error) {
	return b.form().decryptAt(token, ttl, now)
}

// Timestamp is [Cipher.Timestamp] for the row.
func (b Bound) Timestamp(token []byte) (time.Time, error) { return b.form().timestamp(token) }

// Rotate is [Cipher.Rotate] for the row.
func (b Bound) Rotate(token []byte) (t []byte, changed bool, err error) {
	return b.form().rotate(token)
}

// derived holds what was derived from the keys that a keyring held last.
type derived struct {
	last atomic.Pointer[derivation]
}

type derivation struct {
	from, set *keySet
}

// get returns the keys for one use of one column as of now; nil if there are none.
func (d *derived) get(r *Keyring, use, name string) *keySet {
	from := r.set.Load()
	if from == nil {
		return nil
	}
	if last := d.last.Load(); last != nil && last.from == from {
		return last.set
	}
	set := &keySet{ids: from.ids, strict: from.strict}
	for _, k := range from.source {
		set.keys = append(set.keys, newEngine(k.derive(use, name)))
	}
	d.last.Store(&derivation{from: from, set: set})
	return set
}

// derive returns the key for one use of one column: HKDF (RFC 5869) with
// SHA-256, without a salt. Neither use nor what precedes it can hold a NUL, so
// that no two pairs of use and name meet.
func (k Key) derive(use, name string) *[keySize]byte {
	out, err := hkdf.Key(sha256.New, k.bytes()[:], nil, "rampart/crypto v1 "+use+"\x00"+name, keySize)
	if err != nil { // unreachable: 32 bytes are within HKDF's bounds
		panic(err)
	}
	return (*[keySize]byte)(out)
}

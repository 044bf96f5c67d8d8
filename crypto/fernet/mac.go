package fernet

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"sync/atomic"
)

// A MAC is a keyed hash, HMAC-SHA256, under keys derived from a keyring's for one
// name: for what must be recognised and not read, such as the blind index of an
// encrypted column (package column). It follows [Keyring.Reconfigure], is safe
// for concurrent use, and holds its derived keys, so make it once. Create one
// with [Keyring.MAC].
type MAC struct {
	ring *Keyring
	name string
	keys atomic.Pointer[macKeys]
}

type macKeys struct {
	from *keySet
	keys []*[keySize]byte
}

var errNoMACKey = errors.New("fernet: MAC without a key")

// MAC returns the keyed hash of that name, such as "customers.phone". The MAC of an
// empty name has no keys.
func (r *Keyring) MAC(name string) *MAC {
	if name == "" {
		return &MAC{}
	}
	return &MAC{ring: r, name: name}
}

// current returns the keys as they are now; nil if there are none.
func (m *MAC) current() []*[keySize]byte {
	if m == nil || m.ring == nil {
		return nil
	}
	from := m.ring.set.Load()
	if from == nil {
		return nil
	}
	if last := m.keys.Load(); last != nil && last.from == from {
		return last.keys
	}
	fresh := &macKeys{from: from}
	for _, k := range from.source {
		fresh.keys = append(fresh.keys, k.derive(useMAC, m.name))
	}
	m.keys.Store(fresh)
	return fresh.keys
}

// Usable reports whether m has a key, so that Sum does not panic.
func (m *MAC) Usable() bool { return len(m.current()) > 0 }

// Sum returns the 32 bytes of the hash of msg under the first key. It panics if
// there is none: whatever it returned would be stored.
func (m *MAC) Sum(msg []byte) []byte {
	keys := m.current()
	if len(keys) == 0 {
		panic(errNoMACKey.Error())
	}
	return sum(keys[0], msg)
}

// Sums returns the hash of msg under each key, the first one's first.
func (m *MAC) Sums(msg []byte) [][]byte {
	var all [][]byte
	for _, key := range m.current() {
		all = append(all, sum(key, msg))
	}
	return all
}

func sum(key *[keySize]byte, msg []byte) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(msg)
	return mac.Sum(nil)
}

package fernet

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// MaxKeys is how many keys a [Keyring] holds at most: a forged token costs one
// HMAC for each.
const MaxKeys = 16

// A Keyring holds keys: the first encrypts, all decrypt, like Python's
// MultiFernet. It is safe for concurrent use. Create one with [NewKeyring],
// [KeyringFromEnv] or [KeyringFromFile]; the zero Keyring holds no key, so that
// its Cipher opens nothing and panics when asked to encrypt.
type Keyring struct {
	set    atomic.Pointer[keySet]
	source func() ([]Key, error) // for Reload; nil: made of keys

	changing sync.Mutex // held from reading the set to storing another one
}

// keySet is what a Keyring holds at one moment. It never changes.
type keySet struct {
	ids    []string
	source []Key // what derived keys are made of; nil in a derived set
	keys   []*engine
	strict *base64.Encoding
}

// NewKeyring returns a keyring of primary, which encrypts, and of old keys,
// which only decrypt. A key that is given twice counts once. It refuses a zero
// Key and more than [MaxKeys]; each mistake is a [*rampart.ConfigError].
func NewKeyring(primary Key, old ...Key) (*Keyring, error) {
	r := new(Keyring)
	if err := r.Reconfigure(primary, old...); err != nil {
		return nil, err
	}
	return r, nil
}

// Reconfigure replaces the keys, as [NewKeyring] takes them, for every [Cipher]
// of the keyring at once. After an error the keyring is as it was.
func (r *Keyring) Reconfigure(primary Key, old ...Key) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	return r.replace(primary, old...)
}

// Announce makes next a key that decrypts, and does not encrypt yet: that is for
// [Keyring.Rotate], once every instance knows it. One that the keyring holds stays where
// it is. The error is that of [Keyring.Reconfigure].
func (r *Keyring) Announce(next Key) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	keys := r.keys()
	if len(keys) == 0 {
		return errNoKeys()
	}
	return r.replace(keys[0], append(keys[1:], next)...)
}

// Rotate makes next the key that encrypts; the keys so far go on decrypting. The error
// is that of [Keyring.Reconfigure].
func (r *Keyring) Rotate(next Key) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	keys := r.keys()
	if len(keys) == 0 {
		return errNoKeys()
	}
	if next.bytes != nil {
		keys = slices.DeleteFunc(keys, func(k Key) bool { return k.ID() == next.ID() })
	}
	return r.replace(next, keys...)
}

// Len returns how many keys the keyring holds; [MaxKeys] is the most.
func (r *Keyring) Len() int { return len(r.keys()) }

func errNoKeys() error {
	return conferr.New("fernet.NewKeyring", "primary", rampart.ReasonMissing, nil, "create the Keyring with NewKeyring before you change it")
}

// keys returns a copy of the keys as they are.
func (r *Keyring) keys() []Key {
	if set := r.set.Load(); set != nil {
		return slices.Clone(set.source)
	}
	return nil
}

// replace stores a set of these keys. The caller holds r.changing.
func (r *Keyring) replace(primary Key, old ...Key) error {
	bad := conferr.For("fernet.NewKeyring")
	bad.If(primary.bytes == nil, "primary", rampart.ReasonMissing, nil, wantZeroKey)
	for i, k := range old {
		bad.If(k.bytes == nil, fmt.Sprintf("old[%d]", i), rampart.ReasonMissing, nil, wantZeroKey)
	}
	bad.If(1+len(old) > MaxKeys, "old", ReasonTooMany, nil, wantFewer)
	if err := bad.Err(); err != nil {
		return err
	}
	set := &keySet{strict: base64.URLEncoding.Strict()}
	set.add(primary)
	for _, k := range old {
		set.add(k)
	}
	r.set.Store(set)
	return nil
}

func (s *keySet) add(k Key) {
	id := k.ID()
	if slices.Contains(s.ids, id) {
		return
	}
	s.ids = append(s.ids, id)
	s.source = append(s.source, k)
	s.keys = append(s.keys, newEngine(k.bytes()))
}

// Cipher returns the cipher of the keys as they are: its tokens are those of
// Python's MultiFernet with the same keys. It follows [Keyring.Reconfigure].
func (r *Keyring) Cipher() *Cipher { return &Cipher{ring: r} }

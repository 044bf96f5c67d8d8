package main

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/incident"
)

// ownSigning is a set of signing keys that began with the secret in a file.
type ownSigning struct {
	mu    sync.Mutex
	keys  *auth.Keys
	seal  *fernet.Cipher
	known map[string]*ownKey // by id
}

// ownKey is a signing key that came after the one in the file.
type ownKey struct {
	*auth.Key
	signs bool // or did
}

func newOwnSigning(secret []byte) (*ownSigning, error) {
	key, err := auth.NewKey(auth.HS256, "", secret)
	if err != nil {
		return nil, err
	}
	keys, err := auth.NewKeys(key)
	if err != nil {
		return nil, err
	}
	seal, err := sealingKey(secret)
	return &ownSigning{keys: keys, seal: seal, known: map[string]*ownKey{}}, err
}

// sealingKey is the key under which signing keys are kept.
func sealingKey(secret []byte) (*fernet.Cipher, error) {
	raw, err := hkdf.Key(sha256.New, secret, nil, "ecolaura sealed signing keys v1", 32)
	if err != nil {
		return nil, err
	}
	key, err := fernet.ParseKey(base64.URLEncoding.EncodeToString(raw))
	if err != nil {
		return nil, err
	}
	ring, err := fernet.NewKeyring(key)
	if err != nil {
		return nil, err
	}
	return ring.Cipher(), nil
}

// make makes a key.
func (o *ownSigning) make() (id, sealed string, err error) {
	return "s-" + strings.ToLower(rand.Text()[:12]), o.seal.EncryptString(rand.Text() + rand.Text()), nil
}

// take adds a key that only verifies, or makes it the one that signs.
func (o *ownSigning) take(k incident.SealedKey) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.known[k.ID]
	if known == nil {
		secret, err := o.seal.DecryptString(k.Sealed)
		if err != nil {
			return fmt.Errorf("signing key %s: %w", k.ID, err)
		}
		key, err := auth.NewKey(auth.HS256, k.ID, []byte(secret))
		if err != nil {
			return err
		}
		known = &ownKey{Key: key}
		if !k.Primary {
			if err := o.keys.Announce(key); err != nil {
				return err
			}
		}
		o.known[k.ID] = known
	}
	if !k.Primary || known.signs {
		return nil
	}
	if err := o.keys.Rotate(known.Key, max(time.Until(k.OldUntil), 0)); err != nil {
		return err
	}
	known.signs = true
	return nil
}

// ownFields is a ring of field keys that began with those in a file.
type ownFields struct {
	mu       sync.Mutex
	ring     *fernet.Keyring // what the fields use: changed in place
	seal     *fernet.Cipher  // of the file's keys only
	keys     []fernet.Key    // the primary first
	promoted map[string]bool // ids that are or were primary
}

func newOwnFields(ring *fernet.Keyring, file []fernet.Key) (*ownFields, error) {
	sealing, err := fernet.NewKeyring(file[0], file[1:]...)
	if err != nil {
		return nil, err
	}
	return &ownFields{ring: ring, seal: sealing.Cipher(), keys: file, promoted: map[string]bool{}}, nil
}

// changed reports whether a key came after those in the file.
func (o *ownFields) changed() bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.promoted) > 0
}

// make makes a key, if another one fits.
func (o *ownFields) make() (id, sealed string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.keys) >= fernet.MaxKeys {
		return "", "", &rampart.Problem{Status: http.StatusConflict, Code: "too_many_keys", Detail: "The ring is full: old keys must be dropped first."}
	}
	key := fernet.GenerateKey()
	return key.ID(), o.seal.EncryptString(key.Reveal()), nil
}

// take adds a key that only decrypts, or makes it the one that encrypts.
func (o *ownFields) take(k incident.SealedKey) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.promoted[k.ID] {
		return nil
	}
	text, err := o.seal.DecryptString(k.Sealed)
	if err != nil {
		return fmt.Errorf("field key %s: %w", k.ID, err)
	}
	key, err := fernet.ParseKey(text)
	if err != nil {
		return err
	}
	keys := slices.DeleteFunc(slices.Clone(o.keys), func(other fernet.Key) bool { return other.ID() == key.ID() })
	at := 1
	if k.Primary {
		at = 0
	}
	keys = slices.Insert(keys, at, key)
	if err := o.ring.Reconfigure(keys[0], keys[1:]...); err != nil {
		return err
	}
	o.keys, o.promoted[k.ID] = keys, k.Primary
	return nil
}

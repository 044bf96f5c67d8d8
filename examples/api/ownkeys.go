package main

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/incident"
)

// ownSigning is a set of signing keys that began with the secret in a file.
type ownSigning struct {
	keys  *auth.Keys
	seal  *fernet.Cipher
	known map[string]*auth.Key // those that came after it, by id
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
	return &ownSigning{keys: keys, seal: seal, known: map[string]*auth.Key{}}, err
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
	key, announced := o.known[k.ID]
	if !announced {
		secret, err := o.seal.DecryptString(k.Sealed)
		if err != nil {
			return fmt.Errorf("signing key %s: %w", k.ID, err)
		}
		if key, err = auth.NewKey(auth.HS256, k.ID, []byte(secret)); err != nil {
			return err
		}
		o.known[k.ID] = key
	}
	if !k.Primary {
		return o.keys.Announce(key)
	}
	return o.keys.Rotate(key, max(time.Until(k.OldUntil), 0))
}

// ownFields is a ring of field keys that began with those in a file.
type ownFields struct {
	ring *fernet.Keyring
	seal *fernet.Cipher // of the file's keys only
}

func newOwnFields(ring *fernet.Keyring, file []fernet.Key) (*ownFields, error) {
	sealing, err := fernet.NewKeyring(file[0], file[1:]...)
	if err != nil {
		return nil, err
	}
	return &ownFields{ring: ring, seal: sealing.Cipher()}, nil
}

// make makes a key, if another one fits.
func (o *ownFields) make() (id, sealed string, err error) {
	if o.ring.Len() >= fernet.MaxKeys {
		return "", "", &rampart.Problem{Status: http.StatusConflict, Code: "too_many_keys", Detail: "The ring is full: old keys must be dropped first."}
	}
	key := fernet.GenerateKey()
	return key.ID(), o.seal.EncryptString(key.Reveal()), nil
}

// take adds a key that only decrypts, or makes it the one that encrypts.
func (o *ownFields) take(k incident.SealedKey) error {
	text, err := o.seal.DecryptString(k.Sealed)
	if err != nil {
		return fmt.Errorf("field key %s: %w", k.ID, err)
	}
	key, err := fernet.ParseKey(text)
	if err != nil {
		return err
	}
	if !k.Primary {
		return o.ring.Announce(key)
	}
	return o.ring.Rotate(key)
}

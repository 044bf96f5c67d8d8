package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// secrets are what tokens are signed and fields are encrypted with.
type secrets struct {
	signing []byte // HS256 secret; with -signing-key it signs nothing
	device  []byte // what known devices are told by: the secret, or without one the signing key
	fields  *fernet.Keyring
	notes   []string // what to tell at start; never a secret

	ownSigning bool         // signing is in a file that this server made
	fieldKeys  []fernet.Key // those of such a file; nil: managed elsewhere
	oldFields  bool         // values may be under a key that is not the first
}

// loadSecrets takes the secrets from the environment. With SQLite a missing one
// is made once and kept beside the database.
func loadSecrets(s *settings) (*secrets, error) {
	var sec secrets
	var errs []error
	text, err := sec.load(s, s.secretKey, "ECOLAURA_SECRET_KEY", s.db+".secret-key", func() string {
		raw := make([]byte, 48)
		_, _ = rand.Read(raw) // never fails: crypto/rand
		return base64.RawURLEncoding.EncodeToString(raw)
	})
	errs = append(errs, err)
	sec.signing, sec.ownSigning = []byte(text), s.secretKey == "" && s.signingKey == "" && !s.postgres()

	if sec.device = sec.signing; len(sec.device) == 0 && s.signingKey != "" {
		sec.device, err = readFile(s.signingKey)
		errs = append(errs, err)
	}
	text, err = sec.load(s, s.fernetKeys, "ECOLAURA_FERNET_KEYS", s.db+".fernet-keys", func() string {
		return fernet.GenerateKey().Reveal()
	})
	errs = append(errs, err)
	if err == nil {
		var keys []fernet.Key
		if keys, err = fernetKeys(text); err == nil {
			sec.fields, err = fernet.NewKeyring(keys[0], keys[1:]...)
			sec.oldFields = len(keys) > 1
		}
		if s.fernetKeys == "" && !s.postgres() {
			sec.fieldKeys = keys
		}
		errs = append(errs, err)
	}
	return &sec, errors.Join(errs...)
}

// load returns the secret given, or the one kept in file, or a new one.
func (sec *secrets) load(s *settings, given, name, file string, generate func() string) (string, error) {
	if given != "" || s.postgres() {
		return given, nil
	}
	kept, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(file, generate()+"\n"); err == nil {
			sec.notes = append(sec.notes, fmt.Sprintf("%s was not set: made one, kept in %s (mode 0600).", name, file))
		} else if errors.Is(err, fs.ErrExist) {
			err = nil // another process was faster
		}
		if err == nil {
			kept, err = readFile(file)
		}
	} else if err == nil {
		sec.notes = append(sec.notes, fmt.Sprintf("%s was not set: using the one in %s.", name, file))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	text := strings.TrimSpace(string(kept))
	if text == "" {
		return "", fmt.Errorf("%s: %s is empty", name, file)
	}
	return text, nil
}

// create makes file with text in it, all at once or not at all: a second
// process that starts at the same moment must never read half a secret.
func create(file, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), file) // fails if file exists, as O_EXCL does
}

// fernetKeys reads "new,old", or a line for each: the first key encrypts, all decrypt.
func fernetKeys(text string) ([]fernet.Key, error) {
	var keys []fernet.Key
	for i, part := range split(strings.ReplaceAll(text, "\n", ",")) {
		key, err := fernet.ParseKey(part)
		if err != nil {
			return nil, fmt.Errorf("ECOLAURA_FERNET_KEYS: key %d is not 32 bytes in base64url", i+1)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("ECOLAURA_FERNET_KEYS: no key")
	}
	return keys, nil
}

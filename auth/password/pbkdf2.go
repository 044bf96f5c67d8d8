package password

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // G505: read, for a log-in that replaces it, never written
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// pbkdf2Hash is a hash of Django's PBKDF2PasswordHasher or its SHA-1 sibling.
type pbkdf2Hash struct {
	hash       func() hash.Hash
	iterations int
	salt       string // its text, as it stands there
	key        []byte
}

func (p pbkdf2Hash) matches(pw string) bool {
	key, err := pbkdf2.Key(p.hash, pw, []byte(p.salt), p.iterations, len(p.key))
	return err == nil && subtle.ConstantTimeCompare(key, p.key) == 1 // an error: SHA-1 under GODEBUG=fips140=only
}

func (p pbkdf2Hash) cost() string { return fmt.Sprint("pbkdf2", len(p.key), p.iterations) }

func (p pbkdf2Hash) blank() stored {
	p.salt, p.key = rand.Text(), random(len(p.key))
	return p
}

// encode writes Django's pbkdf2_sha256, of which alone Hash makes any.
func (p pbkdf2Hash) encode() string {
	return string(FormatDjangoPBKDF2) + "$" + strconv.Itoa(p.iterations) + "$" + p.salt + "$" + base64.StdEncoding.EncodeToString(p.key)
}

// parsePBKDF2 reads "<iterations>$<salt>$<key>" after the scheme.
func parsePBKDF2(scheme, text string) (stored, error) {
	part := strings.Split(text, "$")
	if len(part) != 3 || part[1] == "" {
		return nil, &StoredError{StoredMalformed}
	}
	n, err := number(part[0], MaxIterations)
	if err != nil {
		return nil, err
	}
	p := pbkdf2Hash{hash: sha256.New, iterations: int(n), salt: part[1]} //nolint:gosec // G115: at most MaxIterations
	size := sha256.Size
	if scheme == "pbkdf2_sha1" {
		p.hash, size = sha1.New, sha1.Size
	}
	key, ok := decode(base64.StdEncoding, part[2], size, size)
	if !ok {
		return nil, &StoredError{StoredMalformed}
	}
	p.key = key
	return p, nil
}

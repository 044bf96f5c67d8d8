package password

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// bcryptMax is how many bytes of a password bcrypt looks at.
const bcryptMax = 72

// bcryptHash is a hash of Django's BCryptSHA256PasswordHasher or, without the
// SHA-256 in front, of its BCryptPasswordHasher.
type bcryptHash struct {
	hash    []byte
	prehash bool
}

func (b bcryptHash) matches(pw string) bool {
	secret := []byte(pw)
	if b.prehash {
		sum := sha256.Sum256(secret)
		secret = hex.AppendEncode(nil, sum[:])
	}
	// Without the prehash Django's library cut what is longer, when it wrote the
	// hash, so the same is done here: the upgrade then counts every byte.
	secret = secret[:min(len(secret), bcryptMax)]
	return bcrypt.CompareHashAndPassword(b.hash, secret) == nil
}

func (b bcryptHash) cost() string { return fmt.Sprint("bcrypt", b.prehash, string(b.hash[4:6])) }

func (b bcryptHash) blank() stored {
	b.hash = []byte(string(b.hash[:7]) + strings.Repeat("C", 21) + "." + strings.Repeat("C", 31))
	return b
}

// parseBcrypt reads "$2b$12$" and 53 characters after the scheme.
func parseBcrypt(scheme, text string) (stored, error) {
	const size = 60
	malformed := &StoredError{StoredMalformed}
	// 2y is PHP's name for 2b, 2a the older one of both. 2x marks a broken
	// implementation's hashes.
	if len(text) != size || !strings.HasPrefix(text, "$2a$") && !strings.HasPrefix(text, "$2b$") && !strings.HasPrefix(text, "$2y$") {
		return nil, malformed
	}
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	if text[6] != '$' || strings.Trim(text[4:6], "0123456789") != "" || strings.Trim(text[7:], alphabet) != "" {
		return nil, malformed
	}
	rounds, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil || rounds < bcrypt.MinCost:
		return nil, malformed
	case rounds > MaxRounds:
		return nil, &StoredError{StoredTooCostly}
	}
	return bcryptHash{hash: []byte(text), prehash: scheme == "bcrypt_sha256"}, nil
}

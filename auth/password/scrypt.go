package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// scryptHash is a hash of Django's ScryptPasswordHasher.
type scryptHash struct {
	n, r, p int
	salt    string // its text, as it stands there
	key     []byte
}

func (s scryptHash) matches(pw string) bool {
	key, err := scrypt.Key([]byte(pw), []byte(s.salt), s.n, s.r, s.p, len(s.key))
	return err == nil && subtle.ConstantTimeCompare(key, s.key) == 1 // parseScrypt has seen to it that there is no error
}

func (s scryptHash) cost() string { return fmt.Sprint("scrypt", s.n, s.r, s.p) }

func (s scryptHash) blank() stored {
	s.key = random(len(s.key))
	return s
}

// parseScrypt reads "<n>$<salt>$<r>$<p>$<key>" after the scheme. It takes memory of
// 128 n r and 128 p r bytes, and time for n r p.
func parseScrypt(text string) (stored, error) {
	const size = 64
	malformed := &StoredError{StoredMalformed}
	part := strings.Split(text, "$")
	if len(part) != 5 || part[1] == "" {
		return nil, malformed
	}
	var cost [3]uint64
	for i, digits := range [...]string{part[0], part[2], part[3]} {
		var err error
		if cost[i], err = number(digits, MaxWork); err != nil {
			return nil, err
		}
	}
	n, r, p := cost[0], cost[1], cost[2]
	switch {
	case n < 2 || n&(n-1) != 0: // RFC 7914 section 2: a power of 2
		return nil, malformed
	case (n+p)*r > 8*MaxMemory || n*r*p > 8*MaxWork: // each at most 2^60; 128 bytes are 1/8 KiB
		return nil, &StoredError{StoredTooCostly}
	}
	key, ok := decode(base64.StdEncoding, part[4], size, size)
	if !ok {
		return nil, malformed
	}
	return scryptHash{n: int(n), r: int(r), p: int(p), salt: part[1], key: key}, nil //nolint:gosec // G115: at most MaxWork
}

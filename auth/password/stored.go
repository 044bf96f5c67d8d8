package password

import (
	"fmt"
	"strconv"
	"strings"
)

// A Fault says why a stored hash cannot be used.
type Fault string

// Faults of a [StoredError].
const (
	StoredUnknown   Fault = "unknown_scheme"
	StoredMalformed Fault = "malformed"
	StoredTooCostly Fault = "too_costly" // beyond a bound of this package, such as [MaxWork]
)

// A StoredError is the error of a hash, as it is stored, that cannot be used.
// It is a fault of the table, not of the person logging in.
type StoredError struct {
	Fault Fault
}

// Error implements error.
func (e *StoredError) Error() string { return fmt.Sprintf("password: stored hash: %s", e.Fault) }

// stored is a hash that was read.
type stored interface {
	matches(pw string) bool
	cost() string  // what it takes, in words that only hashes as dear have
	blank() stored // as dear, and of no password
}

// parse reads a hash of any format. It returns nil for one that no password can
// match: "", Django's unusable password, and what is an error.
func parse(encoded string) (stored, error) {
	scheme, rest, found := strings.Cut(encoded, "$")
	switch {
	case encoded == "", encoded[0] == '!':
		return nil, nil //nolint:nilnil // no hash is not an error here
	case found && scheme == "": // PHC: $argon2id$…
		return parseArgon2(rest, false)
	case found && scheme == "argon2":
		return parseArgon2(rest, true)
	case found && (scheme == "pbkdf2_sha256" || scheme == "pbkdf2_sha1"):
		return parsePBKDF2(scheme, rest)
	case found && (scheme == "bcrypt_sha256" || scheme == "bcrypt"):
		return parseBcrypt(scheme, rest)
	case found && scheme == "scrypt":
		return parseScrypt(rest)
	}
	return nil, &StoredError{StoredUnknown}
}

// number reads a decimal number from 1 to limit as the formats write it: digits
// without a sign or leading zeros.
func number(s string, limit uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case len(s) > 20, strings.Trim(s, "0123456789") != "", strings.HasPrefix(s, "0"), s == "":
		return 0, &StoredError{StoredMalformed}
	case err != nil, n > limit:
		return 0, &StoredError{StoredTooCostly}
	}
	return n, nil
}

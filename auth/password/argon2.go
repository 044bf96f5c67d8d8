package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Sizes in bytes of what Hash writes (RFC 9106 section 4).
const (
	saltSize = 16
	tagSize  = 32
)

// params are argon2's parameters of cost.
type params struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// argon2Hash is a hash in the PHC string format, with "argon2" in front where
// Django wrote it.
type argon2Hash struct {
	params
	salt, tag []byte
	django    bool // with its prefix
	argon2i   bool // Django before 3.2
}

func (a argon2Hash) derive(pw string, size uint32) []byte {
	if a.argon2i {
		return argon2.Key([]byte(pw), a.salt, a.passes, a.memory, a.lanes, size)
	}
	return argon2.IDKey([]byte(pw), a.salt, a.passes, a.memory, a.lanes, size)
}

func (a argon2Hash) matches(pw string) bool {
	return subtle.ConstantTimeCompare(a.derive(pw, uint32(len(a.tag))), a.tag) == 1 //nolint:gosec // G115: at most 64
}

func (a argon2Hash) cost() string { return fmt.Sprint("argon2", a.argon2i, a.params, len(a.tag)) }

func (a argon2Hash) blank() stored {
	a.salt, a.tag = random(len(a.salt)), random(len(a.tag))
	return a
}

func (a argon2Hash) encode() string {
	var b []byte
	if a.django {
		b = append(b, FormatDjangoArgon2...)
	}
	b = fmt.Appendf(b, "$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, a.memory, a.passes, a.lanes)
	b = base64.RawStdEncoding.AppendEncode(b, a.salt)
	b = append(b, '$')
	return string(base64.RawStdEncoding.AppendEncode(b, a.tag))
}

// parseArgon2 reads "argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>". It knows the
// one version that is in use (RFC 9106) and neither of the format's optional
// parameters, keyid and data.
func parseArgon2(text string, django bool) (stored, error) {
	part := strings.Split(text, "$")
	if part[0] != "argon2id" && part[0] != "argon2i" {
		return nil, &StoredError{StoredUnknown}
	}
	malformed := &StoredError{StoredMalformed}
	if len(part) != 5 || part[1] != "v=19" {
		return nil, malformed
	}
	a := argon2Hash{django: django, argon2i: part[0] == "argon2i"}
	var err error
	if a.params, err = parseParams(part[2]); err != nil {
		return nil, err
	}
	var ok bool
	if a.salt, ok = decode(base64.RawStdEncoding, part[3], 8, 64); !ok {
		return nil, malformed
	}
	if a.tag, ok = decode(base64.RawStdEncoding, part[4], 16, 64); !ok {
		return nil, malformed
	}
	return a, nil
}

// parseParams reads "m=19456,t=2,p=1".
func parseParams(text string) (params, error) {
	var p [3]uint64
	rest := text + ","
	for i, f := range [...]struct {
		name  string
		limit uint64
	}{{"m=", MaxMemory}, {"t=", MaxWork}, {"p=", MaxThreads}} {
		field, after, _ := strings.Cut(rest, ",")
		digits, ok := strings.CutPrefix(field, f.name)
		if !ok {
			return params{}, &StoredError{StoredMalformed}
		}
		var err error
		if p[i], err = number(digits, f.limit); err != nil {
			return params{}, err
		}
		rest = after
	}
	switch {
	case rest != "", p[0] < 8*p[2]: // RFC 9106 section 3.1: at least 8 KiB for each lane
		return params{}, &StoredError{StoredMalformed}
	case p[0]*p[1] > MaxWork:
		return params{}, &StoredError{StoredTooCostly}
	}
	return params{memory: uint32(p[0]), passes: uint32(p[1]), lanes: uint8(p[2])}, nil //nolint:gosec // G115: within the limits above
}

// decode reads the canonical base64 text of least to most bytes.
func decode(enc *base64.Encoding, text string, least, most int) ([]byte, bool) {
	b, err := enc.Strict().DecodeString(text)
	// The decoder skips line ends.
	return b, err == nil && !strings.ContainsAny(text, "\r\n") && len(b) >= least && len(b) <= most
}

package apikey

import (
	"crypto/rand"
	"hash/crc32"
	"strings"
	"time"
	"unsafe"
)

// Lengths of the parts of a key after its prefix; see the package comment.
const (
	idLen     = 16
	stampLen  = 8  // of the id: milliseconds since 1970; 62^8 of them are 6900 years
	secretLen = 30 // log2(62) × 30 = 178 bits
	sumLen    = 6  // 62^6 > 2^32
	tailLen   = 1 + idLen + 1 + secretLen + sumLen

	maxPrefix = 32
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// WellFormed reports whether text reads like a key with the given prefix, its
// checksum included. It finds typos and cut-off copies, and tells a secret
// scanner's chance matches apart. It stops no attacker: anybody can compute a
// checksum. It needs no store and does not allocate.
func WellFormed(prefix, text string) bool {
	_, ok := frame(prefix, text)
	return ok && intact(prefix, text)
}

// frame returns the id of a text whose length, prefix and separators are those
// of a key.
func frame(prefix, text string) (id string, ok bool) {
	n := len(prefix)
	if n == 0 || len(text) != n+tailLen || text[:n] != prefix || text[n] != '_' || text[n+1+idLen] != '_' {
		return "", false
	}
	return text[n+1 : n+1+idLen], true
}

// intact reports whether the checksum of a framed text is right, and its id and
// secret are in base62. The checksum does not tell: anybody can compute it for
// any text.
func intact(prefix, text string) bool {
	n, body := len(prefix)+1, len(text)-sumLen
	return checksum(text[:body]) == [sumLen]byte([]byte(text[body:])) &&
		isBase62(text[n:n+idLen]) && isBase62(text[n+idLen+1:])
}

func isBase62(s string) bool {
	ok := byte(1)
	for i := range len(s) {
		ok &= inBase62[s[i]] // no branch: most strings that get here are good
	}
	return ok == 1
}

// inBase62[c] is 1 for each byte of base62.
const (
	no16     = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	yes13    = "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
	yes10    = "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
	inBase62 = no16 + no16 + no16 +
		yes10 + "\x00\x00\x00\x00\x00\x00" + // 0-9
		"\x00" + yes13 + yes13 + "\x00\x00\x00\x00\x00" + // A-Z
		"\x00" + yes13 + yes13 + "\x00\x00\x00\x00\x00" + // a-z
		no16 + no16 + no16 + no16 + no16 + no16 + no16 + no16
)

// checksum returns the CRC-32 of s in base62.
func checksum(s string) [sumLen]byte {
	sum := crc32.ChecksumIEEE(view(s))
	hi, lo := sum/(62*62*62), sum%(62*62*62) // two short chains of divisions, not one long one
	return [sumLen]byte{
		base62[hi/(62*62)], base62[hi/62%62], base62[hi%62],
		base62[lo/(62*62)], base62[lo/62%62], base62[lo%62],
	}
}

// view returns the bytes of s, to be read only: a copy of them, which packages
// crc32 and sha256 would otherwise make the compiler put on the heap, costs more
// than the checksum.
func view(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // see above
}

// digits writes n in base62 with the given width.
func digits(n uint64, width int) []byte {
	d := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		d[i] = base62[n%62]
		n /= 62
	}
	return d
}

// mint returns the id and text of a new key.
func mint(prefix string, now time.Time) (id, text string) {
	id = string(digits(uint64(max(now.UnixMilli(), 0)), stampLen)) + randomText(idLen-stampLen)
	body := prefix + "_" + id + "_" + randomText(secretLen)
	sum := checksum(body)
	return id, body + string(sum[:])
}

// randomText returns n characters of base62, each equally likely.
func randomText(n int) string {
	var b strings.Builder
	b.Grow(n)
	var raw [32]byte
	for {
		_, _ = rand.Read(raw[:]) // never fails (crypto/rand since Go 1.24)
		for _, c := range raw {
			if c &= 63; c >= 62 { // no modulo: it would favour the first characters
				continue
			}
			b.WriteByte(base62[c])
			if b.Len() == n {
				return b.String()
			}
		}
	}
}

// validPrefix reports whether p can begin a key: 2 to 32 lower-case letters,
// digits and single underscores between them, beginning with a letter.
func validPrefix(p string) bool {
	if len(p) < 2 || len(p) > maxPrefix || p[0] < 'a' || p[0] > 'z' || p[len(p)-1] == '_' || strings.Contains(p, "__") {
		return false
	}
	for i := range len(p) {
		if c := p[i]; c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

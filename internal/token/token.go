// Package token knows the token of HTTP's grammar (RFC 9110 section 5.6.2), and
// lists of them.
package token

import (
	"strings"

	"github.com/ecolaura/rampart/internal/text"
)

// table[c] is set for each byte of tchar.
const table = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x01\x00\x01\x01\x01\x01\x01\x00\x00\x01\x01\x00\x01\x01\x00" + //  !"#$%&'()*+,-./
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00" + // 0-9 :;<=>?
	"\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01" + // @A-O
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x01\x01" + // P-Z[\]^_
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01" + // `a-o
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x01\x00\x01\x00" // p-z{|}~

// Valid reports whether s is a token: one or more tchar.
func Valid(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || table[c] == 0 {
			return false
		}
	}
	return s != ""
}

// Listed reports whether one of the lines of a header has name among its members,
// which commas part.
func Listed(lines []string, name string) bool {
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			if text.EqualFold(strings.Trim(member, " \t"), name) {
				return true
			}
		}
	}
	return false
}

// Package text holds small checks of text that several packages make.
package text

import (
	"strings"
	"unicode/utf8"
)

// MaxHost is the length of a domain name (RFC 1035 section 2.3.4), without the
// dot at its end.
const MaxHost = 253

// Atext is what the local part of a mail address is made of (RFC 5322 section 3.2.3).
const Atext = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-/=?^_`{|}~"

// Repair returns s with invalid UTF-8 as U+FFFD.
func Repair(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// IsBidiControl reports whether r embeds, overrides or isolates. The marks that
// stand for one letter (U+200E, U+200F, U+061C) are not among them: Hebrew and
// Arabic needs them.
func IsBidiControl(r rune) bool {
	return '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

// IsDotAtom reports whether s is atext, in parts joined by single dots.
func IsDotAtom(s string) bool {
	dot := true // as if one came before: the first byte must be another
	for i := range len(s) {
		c := s[i]
		if c == '.' && dot || c != '.' && strings.IndexByte(Atext, c) < 0 {
			return false
		}
		dot = c == '.'
	}
	return !dot
}

// IsHostName reports whether s is two or more labels of letters, digits and inner
// hyphens (RFC 1123 section 2.1), each of at most 63 bytes. The last is two
// letters or more, or an A-label: some readers take "1.0x7f" for an address.
func IsHostName(s string) bool {
	labels, label := 0, ""
	for label = range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '-' {
				return false
			}
		}
		labels++
	}
	return labels > 1 && len(s) <= MaxHost && (strings.HasPrefix(label, "xn--") || len(label) > 1 && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz") == "")
}

// LowerASCII returns s with its ASCII letters in lower case.
func LowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					r += 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}

// IsAlphanumeric reports whether c is an ASCII letter or digit.
func IsAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// IsDigits reports whether s is one or more ASCII digits.
func IsDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// EqualFold reports whether s is word, which is ASCII, in letters of any case.
// Unicode folds two characters outside ASCII into it: "ſ" and the Kelvin sign.
func EqualFold(s, word string) bool { return len(s) == len(word) && strings.EqualFold(s, word) }

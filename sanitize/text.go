package sanitize

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/ecolaura/rampart/internal/logline"
	"github.com/ecolaura/rampart/internal/text"
	"github.com/ecolaura/rampart/sanitize/markup"
)

// Text returns s as a person would have typed it: invalid UTF-8 becomes U+FFFD,
// the form is NFC, and NUL, C0 and C1 controls and the bidi controls that
// reorder what follows them (Unicode TR 36 section 3.4, CVE-2021-42574) are
// gone, as is white space at either end. In a single line, breaks and tabs become
// one space each; with multiline, every kind of line break becomes "\n" and
// tabs stay. Text(Text(s, m), m) is Text(s, m).
func Text(s string, multiline bool) string {
	if isPlain(s, multiline) {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for _, r := range s {
		switch {
		case r == '\n', r == '\r', r == '\v', r == '\f', r == '\u0085', r == '\u2028', r == '\u2029':
			if multiline {
				b.WriteByte('\n')
			} else {
				b.WriteByte(' ')
			}
		case r == '\t':
			if multiline {
				b.WriteByte('\t')
			} else {
				b.WriteByte(' ')
			}
		case unicode.IsControl(r) || text.IsBidiControl(r):
		default:
			b.WriteRune(r) // U+FFFD for an invalid byte
		}
	}
	return strings.TrimSpace(norm.NFC.String(b.String()))
}

// isPlain reports whether s is printable ASCII, in lines or in one.
func isPlain(s string, multiline bool) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && (!multiline || c != '\n' && c != '\t') {
			return false
		}
	}
	return true
}

// LogLine returns at most 1024 bytes of s as one line that is safe in a log:
// controls (ANSI escapes begin with one), line separators, bidi and other
// invisible characters, invalid UTF-8 and backslashes are visibly escaped, so
// that nothing in s can forge, hide or reorder a line. A cut shows as "…".
func LogLine(s string) string { return logline.Escape(s, 1024) }

// builtinCleaner returns what the sanitize tag name stands for; nil if there is
// no such tag.
func builtinCleaner(name string) func(string) string {
	switch name {
	case "trim":
		return strings.TrimSpace
	case "lower":
		return strings.ToLower
	case "nfc":
		return norm.NFC.String
	case "text":
		return func(s string) string { return Text(s, false) }
	case "multiline":
		return func(s string) string { return Text(s, true) }
	case "striptags":
		return markup.StripTags
	case "html=basic":
		return markup.Basic().Clean
	case "html=ugc":
		return markup.UGC().Clean
	}
	return nil
}

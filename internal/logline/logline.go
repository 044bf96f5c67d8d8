// Package logline makes text that a client chose safe to write on one line of
// a log.
package logline

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns at most limit bytes of s (plus "…" where it was cut) with
// everything escaped that could end, forge, hide or reorder a line: C0 and C1
// controls (ANSI escapes start with one), line and paragraph separators,
// format characters (bidi controls, zero-width ones), other spaces than the
// plain one, invalid UTF-8, and the backslash, so that an escape cannot be
// forged. A text with none of these is returned as it is.
func Escape(s string, limit int) string {
	if len(s) <= limit && plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+n]
		switch {
		case r == utf8.RuneError && n == 1:
			piece = `\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:]
		case r == '\\' || r != ' ' && !unicode.IsPrint(r):
			q := strconv.QuoteRuneToASCII(r)
			piece = q[1 : len(q)-1]
		}
		if b.Len()+len(piece) > limit {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
		i += n
	}
	return b.String()
}

// plain reports whether s is printable ASCII without a backslash.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

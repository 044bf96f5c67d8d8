package markup

import (
	"html"
	"slices"

	"github.com/ecolaura/rampart/internal/text"
)

// isCleanText reports whether cleaning leaves s as it is: valid UTF-8 without
// markup, entities or control characters.
func isCleanText(s string) bool {
	ascii := true
	for i := range len(s) {
		if isSpecial(s[i]) {
			return false
		}
		ascii = ascii && s[i] < 0x80
	}
	return ascii || text.Repair(s) == s
}

// isSpecial reports whether c cannot stand as it is in the text of an element: a
// control but for tabs and line feeds, "&", "<" or ">", each a bit.
func isSpecial(c byte) bool {
	const low = 1<<32 - 1 ^ 1<<'\t' ^ 1<<'\n' | 1<<'&' | 1<<'<' | 1<<'>'
	return c < 64 && uint64(low)>>c&1 != 0
}

// appendText appends s, the source of a text, as its canonical source: entities
// decoded, & < > escaped, control characters as "?".
func appendText[S []byte | string](out []byte, s S) []byte {
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && !isSpecial(s[i]) {
			i++
		}
		out = append(out, s[start:i]...)
		start = i
		switch {
		case i == len(s):
		case s[i] == '&':
			i += entityLen(s[i:])
			out = appendEntity(out, s[start:i])
		case s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n':
			i++ // a line feed in their place
		default:
			i++
			out = appendEscaped(out, s[start:i], false)
		}
	}
	return out
}

// entityLen returns the length of what could be an entity at the start of s.
func entityLen[S []byte | string](s S) int {
	n := 1
	for n < len(s) && n < maxEntity && (s[n] == '#' || text.IsAlphanumeric(s[n])) {
		n++
	}
	if n < len(s) && s[n] == ';' {
		n++
	}
	return n
}

// appendEntity appends what the entity s stands for, if it ends with a semicolon.
// Browsers decode some without, but who writes "?a=1&copy=2" means just that.
func appendEntity[S []byte | string](out []byte, s S) []byte {
	switch string(s) {
	case "&amp;", "&lt;", "&gt;":
		return append(out, s...)
	}
	decoded := string(s)
	if s[len(s)-1] == ';' {
		decoded = html.UnescapeString(decoded)
		if decoded[len(decoded)-1] == ';' && string(s) != "&semi;" { // the whole name was not one
			decoded = string(s)
		}
	}
	return appendEscaped(out, decoded, false)
}

// maxEntity is longer than the longest name, CounterClockwiseContourIntegral.
const maxEntity = 40

// appendEscaped appends the text s, of an element or of an attribute's value in
// double quotes.
func appendEscaped[S []byte | string](out []byte, s S, inAttr bool) []byte {
	out = slices.Grow(out, len(s))
	start := 0
	for i := range len(s) {
		c := s[i]
		if !isSpecial(c) && (c != '"' || !inAttr) {
			continue
		}
		out = append(out, s[start:i]...)
		start = i + 1
		switch c {
		case '&':
			out = append(out, "&amp;"...)
		case '<':
			out = append(out, "&lt;"...)
		case '>':
			out = append(out, "&gt;"...)
		case '"':
			out = append(out, "&quot;"...)
		case 0: // a parser drops it too
		case '\r': // a parser reads a line feed in its place
			if i+1 == len(s) || s[i+1] != '\n' {
				out = append(out, '\n')
			}
		default: // not deleted, so that what was around it does not join (Unicode TR 36 section 3.5)
			out = append(out, '?')
		}
	}
	return append(out, s[start:]...)
}

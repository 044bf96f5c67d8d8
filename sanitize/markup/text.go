package markup

import (
	"html"
	"strings"

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

// isSpecial reports whether c cannot stand as it is in the text of an element.
func isSpecial(c byte) bool {
	return c < ' ' && c != '\n' && c != '\t' || c == '&' || c == '<' || c == '>'
}

// appendText appends s, the source of a text, as its canonical source: entities
// decoded, & < > escaped, control characters as "?".
func appendText[S []byte | string](out []byte, s S) []byte {
	special := -1
	for i := range len(s) {
		if isSpecial(s[i]) {
			special = i
			break
		}
	}
	if special < 0 {
		return append(out, s...)
	}
	text := string(s)
	if strings.IndexByte(text, '&') >= 0 {
		text = unescape(text)
	}
	return appendEscaped(out, text, false)
}

// unescape decodes the entities of a text that end with a semicolon. Browsers
// decode some without, but who writes "?a=1&copy=2" means just that.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := strings.IndexByte(s, '&'); i >= 0; i = strings.IndexByte(s, '&') {
		b.WriteString(s[:i])
		s = s[i:]
		n := 1
		for n < len(s) && n < maxEntity && (s[n] == '#' || text.IsAlphanumeric(s[n])) {
			n++
		}
		if n == len(s) || s[n] != ';' {
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		n++
		if text := html.UnescapeString(s[:n]); text[len(text)-1] == ';' && s[:n] != "&semi;" { // the whole name was not one
			b.WriteString(s[:n])
		} else {
			b.WriteString(text)
		}
		s = s[n:]
	}
	b.WriteString(s)
	return b.String()
}

// maxEntity is longer than the longest name, CounterClockwiseContourIntegral.
const maxEntity = 40

// appendEscaped appends the text s, of an element or of an attribute's value in
// double quotes.
func appendEscaped[S []byte | string](out []byte, s S, inAttr bool) []byte {
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

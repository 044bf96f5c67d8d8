package sanitize

import (
	"html"
	"slices"
	"strings"
)

// isCleanText says whether cleaning leaves s as it is: valid UTF-8 without
// markup, entities or control characters.
func isCleanText(s string) bool {
	ascii := true
	for i := range len(s) {
		if isSpecial(s[i]) {
			return false
		}
		ascii = ascii && s[i] < 0x80
	}
	return ascii || repair(s) == s
}

// isSpecial says whether c cannot stand as it is in the text of an element.
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
		text = html.UnescapeString(text)
	}
	return appendEscaped(out, text, false)
}

// appendEscaped appends the text s, of an element or of an attribute's value in
// double quotes.
func appendEscaped(out []byte, s string, inAttr bool) []byte {
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

// attributes appends the attributes of the current tag that t allows, in the
// order of the input. The tokenizer has dropped repeated ones, as browsers do.
func (c *cleaner) attributes(t *tagPolicy) {
	linked := false
	for more := len(t.attrs) > 0; more; {
		var key, value []byte
		key, value, more = c.z.TagAttr()
		kind := t.attrs[string(key)]
		if kind == attrUnknown || c.rel != "" && t.flags&isLink != 0 && string(key) == "rel" {
			continue
		}
		text := string(value)
		if kind == attrURL {
			var ok bool
			if text, ok = c.url(text); !ok {
				continue
			}
			linked = true
		}
		c.attribute(string(key), text)
	}
	if linked && c.rel != "" && t.flags&isLink != 0 {
		c.attribute("rel", c.rel)
	}
}

func (c *cleaner) attribute(name, value string) {
	c.out = append(c.out, ' ')
	c.out = append(c.out, name...)
	c.out = append(c.out, '=', '"')
	c.out = appendEscaped(c.out, value, true)
	c.out = append(c.out, '"')
}

// url returns s as a browser will read it, and whether it has an allowed scheme
// or none. The URL Standard (section 4.4) strips controls and spaces from both
// ends and tabs and line breaks from everywhere, so that "java\nscript:" runs.
func (c *cleaner) url(s string) (string, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	if strings.ContainsAny(s, "\t\n\r") {
		s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	}
	i := strings.IndexAny(s, ":/?#\\")
	if i < 0 || s[i] != ':' {
		return s, true
	}
	return s, isScheme(s[:i]) && slices.Contains(c.schemes, lowerASCII(s[:i]))
}

package markup

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/text"
)

// maxURL bounds a URL that holds no image: browsers and servers take less.
const maxURL = 1 << 15

// unbroken drops tabs and line breaks. It is read-only.
var unbroken = strings.NewReplacer("\t", "", "\n", "", "\r", "") //nolint:gochecknoglobals // read-only

// asRead returns the URL s as a browser will read it. The URL Standard (section
// 4.4) strips controls and spaces from both ends and tabs and line breaks from
// everywhere, so that "java\nscript:" runs.
func asRead(s string) string {
	for i := range len(s) {
		if s[i] <= ' ' {
			return unbroken.Replace(strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }))
		}
	}
	return s
}

// url returns the URL s of t's attribute attr as it may be written, and whether it
// may. What the policy's function makes of it is checked like what was there.
func (c *cleaner) url(t *tagPolicy, attr []byte, s string, allowed func(string) bool) (string, bool) {
	s = asRead(s)
	if !allowed(s) {
		return "", false
	}
	if c.rewrite != nil && s != "" {
		plain, ok := unambiguous(s)
		if !ok {
			return "", false
		}
		s = asRead(c.rewrite(t.name, string(attr), plain))
		if s == "" || !allowed(s) {
			return "", false
		}
	}
	if c.idPrefix != "" && len(s) > 1 && s[0] == '#' && !strings.EqualFold(s, "#top") {
		s = "#" + c.withPrefix(s[1:])
	}
	return s, true
}

// schemeOf returns the scheme of the URL s in lower case, and whether s has a
// colon where a browser would look for one.
func schemeOf(s string) (string, bool) {
	for i := range len(s) {
		switch s[i] {
		case ':':
			return text.LowerASCII(s[:min(i, maxScheme)]), true
		case '/', '?', '#', '\\':
			return "", false
		}
	}
	return "", false
}

// maxScheme is longer than any scheme.
const maxScheme = 64

// isAllowedURL reports whether the URL s has an allowed scheme or none.
func (c *cleaner) isAllowedURL(s string) bool {
	if len(s) > maxURL {
		return false
	}
	scheme, ok := schemeOf(s)
	return !ok || slices.Contains(c.schemes, scheme)
}

// isImageURL reports whether s is an allowed URL or holds an allowed image.
func (c *cleaner) isImageURL(s string) bool {
	if scheme, _ := schemeOf(s); scheme == "data" && len(c.imageTypes) > 0 {
		return c.isImage(s)
	}
	return c.isAllowedURL(s)
}

// isImage reports whether s is an image in a data URL, in base64 and in no more
// bytes than are allowed, which begins as its type does.
func (c *cleaner) isImage(s string) bool {
	head, body, ok := strings.Cut(s[len("data:"):], ";base64,")
	if !ok || !slices.Contains(c.imageTypes, head) || base64.StdEncoding.DecodedLen(len(body)) > c.maxImage+2 {
		return false
	}
	image, err := base64.StdEncoding.Strict().DecodeString(body)
	return err == nil && len(image) <= c.maxImage && beginsAs(head, string(image[:min(len(image), 16)]))
}

// beginsAs reports whether an image of the type begins with start.
func beginsAs(imageType, start string) bool {
	switch imageType {
	case "image/png":
		return strings.HasPrefix(start, "\x89PNG\r\n\x1a\n")
	case "image/jpeg":
		return strings.HasPrefix(start, "\xff\xd8\xff")
	case "image/gif":
		return strings.HasPrefix(start, "GIF87a") || strings.HasPrefix(start, "GIF89a")
	case "image/webp":
		return len(start) == 16 && start[:4] == "RIFF" && start[8:15] == "WEBPVP8"
	}
	return false
}

// frameAttrs are of every frame. What is in it may run its scripts in its own
// origin, but not lead this page elsewhere, open windows or send forms.
const frameAttrs = ` sandbox="allow-scripts allow-same-origin allow-presentation" referrerpolicy="strict-origin-when-cross-origin"`

// isFrameURL reports whether s is an https URL of a host whose frames are allowed.
func (c *cleaner) isFrameURL(s string) bool {
	const https = "https://"
	if len(s) > maxURL || len(s) < len(https) || !strings.EqualFold(s[:len(https)], https) {
		return false
	}
	host := s[len(https):]
	if i := strings.IndexAny(host, "/?#"); i >= 0 { // a backslash stays in it, and no host has one
		host = host[:i]
	}
	return slices.Contains(c.frames, text.LowerASCII(host))
}

// isCandidateURL reports whether s may stand in a srcset.
func (c *cleaner) isCandidateURL(s string) bool {
	return s != "" && c.isAllowedURL(s) && s[0] != ',' && s[len(s)-1] != ',' && !strings.ContainsAny(s, htmlSpace)
}

const htmlSpace = " \t\n\f\r"

// srcset returns those candidates of the srcset s that may be written (HTML,
// section 4.8.4.2.1), each with at most one descriptor.
func (c *cleaner) srcset(t *tagPolicy, s string) string {
	var b strings.Builder
	for s = strings.TrimLeft(s, htmlSpace+","); s != ""; s = strings.TrimLeft(s, htmlSpace+",") {
		end := strings.IndexAny(s, htmlSpace)
		if end < 0 {
			end = len(s)
		}
		address, size := s[:end], ""
		s = s[end:]
		if whole := strings.TrimRight(address, ","); whole != address {
			address = whole // and without a descriptor
		} else {
			size, s, _ = strings.Cut(s, ",")
			size = strings.Trim(size, htmlSpace)
		}
		address, ok := c.url(t, []byte("srcset"), address, c.isCandidateURL)
		if !ok || !isDescriptor(size) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(address)
		if size != "" {
			b.WriteString(" " + size)
		}
	}
	return b.String()
}

// isDescriptor reports whether s is a width such as "640w" or a density such as
// "1.5x", or empty.
func isDescriptor(s string) bool {
	if s == "" {
		return true
	}
	number, fraction, dotted := strings.Cut(s[:len(s)-1], ".")
	switch s[len(s)-1] {
	case 'w':
		return !dotted && text.IsDigits(number) && len(number) <= 5
	case 'x':
		return text.IsDigits(number) && len(number) <= 2 && (!dotted || text.IsDigits(fraction) && len(fraction) <= 3)
	}
	return false
}

// unambiguous returns the URL s with "/" where a browser reads "\" as one, so
// that a function which looks for its host finds what a browser will; it reports
// false where the two could still differ, as in "https:/x" and "///x".
func unambiguous(s string) (string, bool) {
	scheme, ok := schemeOf(s)
	if ok && scheme != "http" && scheme != "https" && scheme != "ftp" {
		return s, true
	}
	end := strings.IndexAny(s, "?#")
	if end < 0 {
		end = len(s)
	}
	s = strings.ReplaceAll(s[:end], `\`, "/") + s[end:]
	rest := s
	if ok {
		rest = s[len(scheme)+1:]
		if !strings.HasPrefix(rest, "//") {
			return "", false
		}
	}
	return s, !strings.HasPrefix(rest, "///")
}

package sanitize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Filename returns s in NFC if it is one harmless element of a path on every
// system: at most 255 bytes of letters, digits and the characters
// " -_.,+=@()[]~&'!", that do not begin with a dot (hidden files, ".", "..",
// .htaccess), a space or a hyphen (an option), or end with a dot or a space
// (Windows drops them), and are not the name of a Windows device, whatever its
// extension. Nothing is repaired: a name with a slash in it is an attack or a
// mistake. The error is an [*Invalid].
func Filename(s string) (string, error) {
	if !utf8.ValidString(s) || len(s) > 255 {
		return "", notAFilename()
	}
	s = norm.NFC.String(s)
	if s == "" || len(s) > 255 || strings.IndexByte(". -", s[0]) >= 0 || strings.IndexByte(". ", s[len(s)-1]) >= 0 || isDevice(s) {
		return "", notAFilename()
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_.,+=@()[]~&'!", r) {
			return "", notAFilename()
		}
	}
	return s, nil
}

func notAFilename() error { return &Invalid{Code: "filename", Detail: "Enter a valid file name."} }

// isDevice reports whether Windows opens a device in place of the file s. The
// superscript digits count there too.
func isDevice(s string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(s), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	number, ok := strings.CutPrefix(base, "COM")
	if !ok {
		number, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && utf8.RuneCountInString(number) == 1 && strings.Contains("0123456789¹²³", number)
}

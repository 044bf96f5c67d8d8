package sanitize

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxFilename is the most bytes that a file name has on most systems.
const maxFilename = 255

// Filename returns s in NFC, without the marks that only set the direction of
// text, if it is one harmless element of a path on every system: at most 255
// bytes that do not begin with a dot (hidden files, ".", "..", .htaccess), a
// space or a hyphen (an option), or end with a dot or a space (Windows drops
// them), and are not the name of a Windows device, whatever its extension.
//
// What people call their files is in it: letters, digits, punctuation, symbols,
// emoji and spaces of any width. What is not: the characters that Windows
// reserves for paths (/ \ : * ? " < > |), controls, whatever is invisible or turns
// the text around, and a percent sign whose decoding would be one of these, a dot
// or another percent sign. The name can hold markup's and a shell's characters,
// such as & and $: quote it where it goes. Nothing else is repaired;
// [RepairFilename] does that. The error is an [*Invalid].
func Filename(s string) (string, error) {
	if !utf8.ValidString(s) || len(s) > 4*maxFilename {
		return "", notAFilename()
	}
	s = norm.NFC.String(unmarked(s))
	if s == "" || len(s) > maxFilename || strings.IndexByte(". -", s[0]) >= 0 || strings.IndexByte(". ", s[len(s)-1]) >= 0 || isDevice(s) {
		return "", notAFilename()
	}
	prev := rune(0)
	for i, r := range s {
		if !isShown(r, prev) || isReserved(r) || isEscape(s[i:]) {
			return "", notAFilename()
		}
		prev = r
	}
	return s, nil
}

func notAFilename() error { return &Invalid{Code: "filename", Detail: "Enter a valid file name."} }

// RepairFilename returns the name that is nearest to s and that [Filename] takes as
// it is: the last element of a path, without what is invisible, with "_" in place
// of reserved characters and before the name of a device, without the dots, spaces
// and hyphens that may not be at its ends, and cut to 255 bytes before its
// extension. A name of which nothing is left is "file".
func RepairFilename(s string) string {
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = norm.NFC.String(unmarked(strings.ToValidUTF8(s, "_")))
	prev := rune(0)
	s = norm.NFC.String(strings.Map(func(r rune) rune {
		if !isShown(r, prev) {
			return -1
		}
		prev = r
		return r
	}, s))
	var b strings.Builder
	for i, r := range s {
		if isReserved(r) || isEscape(s[i:]) {
			r = '_'
		}
		b.WriteRune(r)
	}
	s = strings.TrimRight(b.String(), ". ")
	ext := path.Ext(s)
	if len(ext) > maxFilename/4 { // a sentence with a dot in it
		ext = ""
	}
	stem := strings.TrimLeft(strings.TrimSuffix(s, ext), ". -")
	switch {
	case stem == "":
		stem = "file"
	case isDevice(stem + ext):
		stem = "_" + stem
	}
	if most := maxFilename - len(ext); len(stem) > most {
		for !utf8.RuneStart(stem[most]) {
			most--
		}
		stem = stem[:most]
	}
	if ext == "" {
		stem = strings.TrimRight(stem, ". ")
	}
	return stem + ext
}

// unmarked returns s without the marks that say in which direction the text around
// them runs: phones and desktops in Arabic and Hebrew put them into names.
func unmarked(s string) string {
	return strings.NewReplacer("\u200e", "", "\u200f", "", "\u061c", "").Replace(s)
}

// isReserved reports whether r means something in a path on some system.
func isReserved(r rune) bool { return strings.ContainsRune(`/\:*?"<>|`, r) }

// isEscape reports whether s begins with a percent sign that would become a part of
// a path, a control or another such sign if it were decoded once more.
func isEscape(s string) bool {
	if len(s) < 3 || s[0] != '%' {
		return false
	}
	switch strings.ToLower(s[1:3]) {
	case "2f", "5c", "2e", "25", "7f":
		return true
	}
	return (s[1] == '0' || s[1] == '1') && strings.IndexByte("0123456789abcdefABCDEF", s[2]) >= 0
}

// isShown reports whether a reader of a name sees r, after prev, and sees it where
// it is. Joiners and the tags of a flag count where scripts and emoji use them.
func isShown(r, prev rune) bool {
	const zwnj, zwj, blackFlag = 0x200c, 0x200d, 0x1f3f4
	isTag := func(r rune) bool { return r >= 0xe0020 && r <= 0xe007f }
	switch {
	case r == zwnj || r == zwj:
		return prev >= 0x590 // Hebrew and everything after it
	case isTag(r):
		return prev == blackFlag || isTag(prev)
	case r >= 0x1f000 && r <= 0x1faff: // emoji that are newer than our tables, too
		return true
	}
	return unicode.IsGraphic(r)
}

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

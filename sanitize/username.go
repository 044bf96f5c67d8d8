package sanitize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// maxUsername is Django's, in characters.
const maxUsername = 150

// Username returns the PRECIS form of a user name (RFC 8265 UsernameCaseMapped:
// width and case mapped, NFC), so that two spellings of one name are one
// account. It is 1 to 150 letters and digits of one script, with "@.+-_" as in
// Django. One script means that a Cyrillic letter cannot stand in a Latin name;
// the mixtures of Japanese, Korean and Chinese writing count as one. A name that
// is wholly in another script can still look like a Latin one. The error is an
// [*Invalid].
func Username(s string) (string, error) {
	if len(s) > maxUsername*utf8.UTFMax {
		return "", notAUsername()
	}
	s, err := precis.UsernameCaseMapped.String(s)
	if err != nil || s == "" || utf8.RuneCountInString(s) > maxUsername {
		return "", notAUsername()
	}
	var script scripts
	for _, r := range s {
		if r < 0x80 && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@.+-_", r) || !script.admits(r) {
			return "", notAUsername()
		}
	}
	return s, nil
}

func notAUsername() error {
	return &Invalid{Code: "username", Detail: "Enter a valid username. This value may contain only letters and numbers of one script, and @/./+/-/_ characters."}
}

// scripts remembers the script of the characters so far.
type scripts struct {
	name  string
	table *unicode.RangeTable
}

// admits reports whether r is of the same script, or of none in particular.
func (s *scripts) admits(r rune) bool {
	if s.table != nil && unicode.Is(s.table, r) || unicode.In(r, unicode.Common, unicode.Inherited) {
		return true
	}
	name, table := scriptOf(r)
	switch {
	case s.table == nil, s.name == "Han" && eastAsian(name):
		s.name, s.table = name, table
		return true
	case name == "Han":
		return eastAsian(s.name)
	case name == "Hiragana" || name == "Katakana":
		return s.name == "Hiragana" || s.name == "Katakana"
	}
	return false
}

// eastAsian reports whether a script is written together with Han.
func eastAsian(script string) bool {
	switch script {
	case "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo":
		return true
	}
	return false
}

// scriptOf returns the script of r and its table. Those that alternate in a name,
// so that each character asks, come first: there are 160 others.
func scriptOf(r rune) (string, *unicode.RangeTable) {
	if r < 0x80 { // letters: digits are Common
		return "Latin", unicode.Latin
	}
	for _, name := range [...]string{"Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"} {
		if table := unicode.Scripts[name]; unicode.Is(table, r) {
			return name, table
		}
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name, table
		}
	}
	return "", nil
}

package sanitize

import (
	"strings"

	"github.com/ecolaura/rampart/internal/text"
)

// Phone returns the E.164 form of an international phone number: "+", a country
// code and a number, 8 to 15 digits in all. Dropped are what people and their
// devices write between the digits: blanks, hyphens, dashes, dots, slashes and
// brackets, the invisible marks that contacts are copied with, "tel:" before it,
// and "(0)" after the country code, which is dialled within the country only. Where
// that zero is a part of the number (Italy and San Marino), "(0)" is refused.
// Refused are numbers without "+" (which country?), letters, extensions and other
// scripts' digits. The error is an [*Invalid].
func Phone(s string) (string, error) {
	var out [1 + 15]byte
	n, trunk := 0, -1
	rest := s
	if len(rest) > maxFormat {
		return "", notAPhone()
	}
	if len(rest) > len("tel:") && text.EqualFold(rest[:len("tel:")], "tel:") {
		rest = rest[len("tel:"):]
	}
	for i, r := range rest {
		switch {
		case n == 0 && r == '+':
			out[0], n = '+', 1
		case n > 0 && '0' <= r && r <= '9':
			if r == '0' && strings.HasSuffix(rest[:i], "(") && strings.HasPrefix(rest[i:], "0)") {
				if trunk >= 0 || n < 1+1 || n > 1+3 { // a country code has one to three digits
					return "", notAPhone()
				}
				trunk = n
				continue
			}
			if n == len(out) {
				return "", notAPhone()
			}
			out[n] = byte(r)
			n++
		case !isPhoneMark(r) || n == 0 && !text.IsBidiControl(r) && r != '\u200e' && r != '\u200f':
			return "", notAPhone()
		}
	}
	if n < 1+8 || out[1] == '0' { // ITU-T E.164: no country code begins with 0
		return "", notAPhone()
	}
	if code := string(out[1:max(trunk, 1)]); code == "39" || code == "378" {
		return "", notAPhone()
	}
	if n == len(s) {
		return s, nil
	}
	return string(out[:n]), nil
}

// isPhoneMark reports whether r stands between the digits of a number, and says
// nothing.
func isPhoneMark(r rune) bool {
	switch r {
	case ' ', '-', '.', '(', ')', '/', '\u00a0', '\u202f', '\u2060', '\u2212', '\u200e', '\u200f', '\u061c':
		return true
	}
	return '\u2000' <= r && r <= '\u200b' || '\u2010' <= r && r <= '\u2015' || text.IsBidiControl(r) // spaces of every width; hyphens and dashes
}

func notAPhone() error {
	return &Invalid{Code: "phone", Detail: "Enter a valid phone number in international form, such as +12025550123."}
}

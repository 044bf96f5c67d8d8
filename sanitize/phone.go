package sanitize

import "strings"

// Phone returns the E.164 form of an international phone number: "+", a country
// code and a number, 8 to 15 digits in all. Spaces, hyphens, dots and brackets
// between the digits are dropped. Refused are numbers without "+" (which
// country?), letters, extensions, other scripts' digits, and "(0)": the trunk
// prefix is dialled within the country only, and a number that keeps it is
// another one. The error is an [*Invalid].
func Phone(s string) (string, error) {
	digits, ok := strings.CutPrefix(s, "+")
	if !ok || strings.Contains(s, "(0)") {
		return "", notAPhone()
	}
	var out [1 + 15]byte
	out[0] = '+'
	n := 1
	for i := range len(digits) {
		switch c := digits[i]; {
		case '0' <= c && c <= '9':
			if n == len(out) {
				return "", notAPhone()
			}
			out[n] = c
			n++
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')':
		default:
			return "", notAPhone()
		}
	}
	if n < 1+8 || out[1] == '0' { // ITU-T E.164: no country code begins with 0
		return "", notAPhone()
	}
	if n == len(s) {
		return s, nil
	}
	return string(out[:n]), nil
}

func notAPhone() error {
	return &Invalid{Code: "phone", Detail: "Enter a valid phone number in international form, such as +12025550123."}
}

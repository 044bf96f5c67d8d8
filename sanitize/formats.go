package sanitize

import (
	"math"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/ecolaura/rampart"
)

// formats runs the validate tags that this package has no rule of its own for.
// It is the only place that knows the library behind them.
type formats struct{ lib *validator.Validate }

func newFormats() formats { return formats{lib: validator.New()} }

// add adds the rule w to n, or returns the reason why it cannot.
func (f formats) add(n *node, t reflect.Type, w tag) (reason rampart.Reason) {
	known, takesParam := format(w.name)
	switch {
	case !known:
		return rampart.ReasonUnknown
	case takesParam != (w.param != ""):
		return rampart.ReasonInvalid
	}
	inv := &Invalid{w.name, formatDetail(w.name), w.params()}
	if w.name == "oneof" {
		inv.Code = CodeInvalidChoice
	}
	word := w.String()
	switch {
	case n.kind == kindText:
		most := math.MaxInt
		if isShortFormat(w.name) {
			most = maxFormat
		}
		n.text = append(n.text, func(s string) (string, *Invalid) { return s, refuseIf(len(s) > most || f.lib.Var(s, word) != nil, inv) })
	case w.name == "oneof" && (n.kind == kindInt || n.kind == kindUint):
		for choice := range strings.FieldsSeq(w.param) {
			if !n.number(reflect.New(t).Elem(), choice) {
				return rampart.ReasonInvalid
			}
		}
		n.checks = append(n.checks, func(v reflect.Value) *Invalid { return refuseIf(f.lib.Var(v.Interface(), word) != nil, inv) })
	default:
		return ReasonUnsupported
	}
	if f.panics(reflect.New(t).Elem().Interface(), word) { // as the library does on a parameter that it cannot read
		return rampart.ReasonInvalid
	}
	return ""
}

func (f formats) panics(sample any, word string) (bad bool) {
	defer func() { bad = recover() != nil }()
	_ = f.lib.Var(sample, word) // the verdict on the sample does not matter
	return false
}

// format reports whether the library's tag name may be used, and whether it takes
// a parameter. The tags are named one by one because the others look at more
// than the value: they open files, resolve names, or ask other fields.
func format(name string) (known, takesParam bool) {
	switch name {
	case "oneof", "contains", "containsany", "excludes", "excludesall", "startswith", "endswith", "startsnotwith",
		"endsnotwith", "datetime", "postcode_iso3166_alpha2":
		return true, true
	case "alpha", "alphanum", "alphaunicode", "alphanumunicode", "ascii", "printascii", "lowercase", "uppercase",
		"numeric", "number", "hexadecimal", "hexcolor", "base32", "base64", "base64url", "base64rawurl", "json",
		"uuid", "uuid3", "uuid4", "uuid5", "uuid7", "ulid", "semver", "cve", "md5", "sha256", "sha384", "sha512",
		"isbn", "isbn10", "isbn13", "issn", "credit_card", "luhn_checksum", "bic", "ein", "ssn",
		"iso3166_1_alpha2", "iso3166_1_alpha3", "iso3166_1_alpha_numeric", "iso3166_2", "iso4217", "bcp47_language_tag",
		"latitude", "longitude", "mac", "ipv4", "ipv6", "cidr", "cidrv4", "cidrv6", "hostname_rfc1123", "fqdn",
		"port", "cron", "duration", "mongodb":
		return true, false
	}
	return false, false
}

// maxFormat is the length in bytes of the longest of the formats that have an
// end: a host name, or a version (npm's limit).
const maxFormat = 256

// isShortFormat reports whether what the library's tag name stands for has at most
// maxFormat bytes, so that a longer text is refused before the library reads it:
// 250 KB of hyphens take seconds as a language tag. The others are content of any
// length, which the library reads once.
func isShortFormat(name string) bool {
	switch name {
	case "oneof", "contains", "containsany", "excludes", "excludesall", "startswith", "endswith", "startsnotwith",
		"endsnotwith", "alpha", "alphanum", "alphaunicode", "alphanumunicode", "ascii", "printascii", "lowercase",
		"uppercase", "numeric", "number", "hexadecimal", "base32", "base64", "base64url", "base64rawurl", "json",
		"luhn_checksum":
		return false
	}
	return true
}

func formatDetail(name string) string {
	switch name {
	case "oneof":
		return "Not a valid choice."
	case "uuid", "uuid3", "uuid4", "uuid5", "uuid7":
		return "Must be a valid UUID."
	case "ipv4":
		return "Enter a valid IPv4 address."
	case "ipv6":
		return "Enter a valid IPv6 address."
	case "datetime":
		return "Datetime has wrong format."
	}
	return "Enter a valid value."
}

package sanitize

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// asksPairs reports whether the rule's parameter is a list of field names, each followed
// by a value.
func asksPairs(name string) bool {
	return strings.HasSuffix(name, "_if") || strings.HasSuffix(name, "_unless")
}

// asksField reports whether the rule's parameter is the name of another field.
func asksField(name string) bool {
	switch name {
	case "eqfield", "nefield", "gtfield", "gtefield", "ltfield", "ltefield", "eqcsfield", "necsfield", "gtcsfield", "gtecsfield", "ltcsfield", "ltecsfield",
		"fieldcontains", "fieldexcludes", "postcode_iso3166_alpha2_field":
		return true
	}
	return false
}

// asked returns the names of the fields that w looks at.
func asked(w tag) []string {
	words := strings.Fields(w.param)
	switch {
	case asksField(w.name):
		return []string{w.param}
	case asksPairs(w.name):
		var names []string
		for i := 0; i < len(words); i += 2 {
			names = append(names, words[i])
		}
		return names
	case strings.HasPrefix(w.name, "required_"), strings.HasPrefix(w.name, "excluded_"):
		return words
	}
	return nil
}

// asksExisting reports whether the fields that w compares with exist. To the library a
// missing field differs from every value.
func asksExisting(w tag, owner reflect.Value) bool {
	for _, path := range asked(w) {
		name := path[:strings.IndexAny(path+".", ".[")]
		if !owner.IsValid() {
			return false
		}
		if _, ok := owner.Type().FieldByName(name); !ok {
			return false
		}
	}
	return true
}

// takesParam reports whether w has a parameter exactly if the rule needs one.
func takesParam(w tag, n *node) bool {
	switch w.name {
	case "oneof", "oneofci", "noneof", "noneofci", "contains", "containsany", "containsrune", "excludes", "excludesall", "excludesrune",
		"startswith", "endswith", "startsnotwith", "endsnotwith", "datetime", "postcode_iso3166_alpha2", "mimetype", "len":
		return w.param != ""
	case "eq", "ne", "eq_ignore_case", "ne_ignore_case", "unique", "spicedb", "validateFn":
		return true
	case "min", "max", "gt", "gte", "lt", "lte":
		return w.param != "" || n.typ.ConvertibleTo(reflect.TypeFor[time.Time]())
	}
	return (w.param != "") == (len(asked(w)) > 0 || asksField(w.name) || asksPairs(w.name) || strings.HasPrefix(w.name, "required_") || strings.HasPrefix(w.name, "excluded_"))
}

// fits reports whether the library's rule makes sense for n's type. Most rules are for
// strings and refuse every other value.
func (lib *library) fits(name string, n *node) bool {
	kind, has := n.typ.Kind(), func(kinds ...reflect.Kind) bool { return slices.Contains(kinds, n.typ.Kind()) }
	integer := reflect.Int <= kind && kind <= reflect.Uint64
	number := integer || has(reflect.Float32, reflect.Float64)
	list := has(reflect.Slice, reflect.Array, reflect.Map)
	isTime := n.typ.ConvertibleTo(reflect.TypeFor[time.Time]())
	switch {
	case kind == reflect.String && name != "unique", n.kind == kindAny, name == "isdefault", name == "validateFn", lib.takesNil(tag{name: name}):
		return true
	case isBound(name):
		return number && name == "len" || isTime && name != "len"
	}
	switch name {
	case "eq", "ne":
		return number || list || kind == reflect.Bool
	case "unique":
		return list || number || kind == reflect.String
	case "oneof", "noneof", "iso3166_1_alpha_numeric", "iso3166_1_alpha_numeric_eu", "iso4217_numeric", "luhn_checksum", "port", "country_code", "eu_country_code":
		return integer
	case "number", "numeric", "latitude", "longitude":
		return number
	case "boolean":
		return kind == reflect.Bool
	case "json":
		return kind == reflect.Slice && n.typ.Elem().Kind() == reflect.Uint8
	case "uuid", "uuid3", "uuid4", "uuid5", "uuid7", "uuid_rfc4122", "uuid3_rfc4122", "uuid4_rfc4122", "uuid5_rfc4122", "ulid":
		return n.typ.Implements(reflect.TypeFor[fmt.Stringer]())
	case "fieldcontains", "fieldexcludes", "postcode_iso3166_alpha2_field":
		return false
	}
	return asksField(name) && (number || list || kind == reflect.Bool || isTime)
}

// maxFormat is the length in bytes of the longest of the formats that have an
// end: a host name, or a version (npm's limit).
const maxFormat = 256

// mostOf returns the length in bytes of the longest text that the library's rule name
// is given. Most rules are for short formats, so a longer text is refused before the
// library reads it: 250 KB of hyphens take seconds as a language tag. The other rules
// are for content of any length and read it once.
func mostOf(name string) int {
	switch name {
	case "oneof", "oneofci", "noneof", "noneofci", "contains", "containsany", "containsrune", "excludes", "excludesall", "excludesrune",
		"startswith", "endswith", "startsnotwith", "endsnotwith", "alpha", "alphaspace", "alphanum", "alphanumspace", "alphaunicode",
		"alphanumunicode", "ascii", "printascii", "multibyte", "lowercase", "uppercase", "numeric", "number", "hexadecimal", "base32", "base64",
		"base64url", "base64rawurl", "json", "html", "html_encoded", "url_encoded", "datauri", "jwt", "eq", "ne", "eq_ignore_case",
		"ne_ignore_case", "isdefault", "unique", "validateFn":
		return math.MaxInt
	case "uri", "http_url", "https_url", "origin", "urn_rfc2141", "urn_rfc8141":
		return maxURL
	case "mongodb_connection_string": // whose expression is slow
		return 4 * maxFormat
	case "file", "filepath", "dir", "dirpath", "image", "mimetype", "unix_addr", "uds_exists":
		return maxPath
	}
	if asksField(name) || asksPairs(name) || strings.HasPrefix(name, "required_") || strings.HasPrefix(name, "excluded_") {
		return math.MaxInt
	}
	return maxFormat
}

// maxPath is Linux's PATH_MAX.
const maxPath = 4096

// libraryInvalid returns what the client is told when the library's rule w is broken.
func libraryInvalid(w tag, owner reflect.Value) *Invalid {
	inv := &Invalid{Code: w.name, Detail: "Enter a valid value.", Params: w.params()}
	switch w.name {
	case "oneof", "oneofci", "noneof", "noneofci":
		inv.Code, inv.Detail = CodeInvalidChoice, "Not a valid choice."
	case "uuid", "uuid3", "uuid4", "uuid5", "uuid7":
		inv.Detail = "Must be a valid UUID."
	case "ipv4":
		inv.Detail = "Enter a valid IPv4 address."
	case "ipv6":
		inv.Detail = "Enter a valid IPv6 address."
	case "datetime":
		inv.Detail = "Datetime has wrong format."
	case "unique":
		inv.Detail, inv.Params = "Each may be there once only.", nil
	case "min", "gt", "gte":
		inv.Code, inv.Detail = CodeMinValue, "Enter a time in the future."
	case "max", "lt", "lte":
		inv.Code, inv.Detail = CodeMaxValue, "Enter a time in the past."
	case "eqfield", "eqcsfield":
		inv.Detail = "Must be the same as the other field."
	case "nefield", "necsfield":
		inv.Detail = "Must differ from the other field."
	case "gtfield", "gtcsfield", "gtefield", "gtecsfield", "ltfield", "ltcsfield", "ltefield", "ltecsfield":
		inv.Detail = "Does not fit the other field."
	}
	switch {
	case strings.HasPrefix(w.name, "required_"), w.name == "skip_unless":
		inv = shared(strictjson.ErrRequired)
	case strings.HasPrefix(w.name, "excluded_"):
		inv.Detail, inv.Params = "This field may not be given here.", nil
	case asksField(w.name):
		inv.Params = map[string]string{w.name: inputName(owner, w.param)}
	}
	return inv
}

// inputName returns the name in the input of the field of owner that is called name, or
// "" for a field further down, whose name the client does not know.
func inputName(owner reflect.Value, name string) string {
	if !owner.IsValid() {
		return ""
	}
	f, _ := owner.Type().FieldByName(name)
	word, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if word == "" {
		return f.Name
	}
	return word
}

package sanitize

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// plain says how n's type is read, without steps or parts.
func (c *compiler) plain(n *node, where string) {
	reads := func(k kind, code, detail string) { n.kind, n.wrong = k, &Invalid{Code: code, Detail: detail} }
	parsed := func(detail string, parse func(reflect.Value, string) bool) {
		reads(kindParsed, CodeInvalid, detail)
		n.parse = parse
	}
	t := n.typ
	switch {
	case t == reflect.TypeFor[File]():
		c.files = true
		reads(kindFile, CodeInvalid, "The submitted data was not a file. Check the encoding type on the form.")
		return
	case t == reflect.TypeFor[time.Time]():
		parsed("Datetime has wrong format. Use RFC 3339, such as 2006-01-02T15:04:05Z.", parseTime)
		return
	case t == reflect.TypeFor[time.Duration]():
		parsed("Duration has wrong format. Use such as 1h30m.", parseDuration)
		return
	case t == reflect.TypeFor[json.Number]():
		parsed("A valid number is required.", parseNumber)
		n.numeric = true
		return
	case decodesItself(t):
		c.mistake(where, ReasonUnsupported, t, "the type reads tokens itself, past every limit; give it UnmarshalJSON or UnmarshalText")
		reads(kindBool, CodeInvalid, "")
		return
	case readsJSON(t):
		reads(kindJSON, CodeInvalid, "Enter a valid value.")
		return
	case isParsed(t):
		parsed("Enter a valid value.", parseText)
		return
	}
	switch t.Kind() {
	case reflect.String:
		n.kind, n.wrong = kindText, shared(strictjson.ErrText)
	case reflect.Bool:
		reads(kindBool, CodeInvalid, "Must be a valid boolean.")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		reads(kindInt, CodeInvalid, "A valid integer is required.")
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		reads(kindUint, CodeInvalid, "A valid integer is required.")
	case reflect.Float32, reflect.Float64:
		reads(kindFloat, CodeInvalid, "A valid number is required.")
	case reflect.Struct:
		n.kind, n.wrong = kindObject, shared(strictjson.ErrObject)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && !isParsed(t.Elem()) && !readsJSON(t.Elem()) {
			parsed("Enter text in base64.", parseBytes)
			return
		}
		n.kind, n.wrong = kindList, shared(strictjson.ErrList)
	case reflect.Array:
		n.kind, n.wrong = kindList, shared(strictjson.ErrList)
	case reflect.Map:
		reads(kindDict, CodeNotADict, "Expected a dictionary of items.")
	case reflect.Interface:
		if t.NumMethod() == 0 {
			reads(kindAny, CodeInvalid, "Enter a valid value.")
			return
		}
		fallthrough // any other interface would let the client choose the type
	default:
		c.mistake(where, ReasonUnsupported, t, "use a string, bool, number, struct, pointer, Optional, list, map, any, File or a type that reads itself from text or JSON")
		reads(kindBool, CodeInvalid, "")
	}
}

// isParsed reports whether a *t reads itself from text.
func isParsed(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// readsJSON reports whether a *t reads itself from JSON.
func readsJSON(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

// decodesItself reports whether a *t reads itself from the decoder of
// encoding/json/v2 only, which has limits of its own.
func decodesItself(t reflect.Type) bool {
	_, ok := reflect.PointerTo(t).MethodByName("UnmarshalJSONFrom")
	return ok && !readsJSON(t)
}

// isSQLNull reports whether t is an sql.Null or sql.NullString and so on. Its fields
// are then, by index: the value, Valid.
func isSQLNull(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == "database/sql" && t.NumField() == 2 && t.Field(1).Name == "Valid"
}

func parseText(v reflect.Value, s string) bool {
	return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)) == nil //nolint:forcetypeassert // isParsed has seen to it
}

// parseTime reads RFC 3339, of which the standard library also takes what only looks
// like it. Its years have four digits, in UTC too: databases and other languages
// know no year 0 or 10000. A fraction that would be cut off is refused.
func parseTime(v reflect.Value, s string) bool {
	if !isRFC3339(s) {
		return false
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1 || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return false
	}
	v.Set(reflect.ValueOf(t))
	return true
}

// isRFC3339 reports whether s has the form of section 5.6, in upper case, with an
// offset of less than a day.
func isRFC3339(s string) bool {
	const layout = "0000-00-00T00:00:00"
	if len(s) <= len(layout) || !hasLayout(s[:len(layout)], layout) {
		return false
	}
	rest := s[len(layout):]
	if rest[0] == '.' {
		fraction := rest[1:]
		rest = strings.TrimLeft(fraction, "0123456789")
		if n := len(fraction) - len(rest); n == 0 || n > 9 {
			return false
		}
	}
	return rest == "Z" || hasLayout(rest, "+00:00") && rest[1:] < "24" && rest[4:] < "60" || hasLayout(rest, "-00:00") && rest[1:] < "24" && rest[4:] < "60"
}

// hasLayout reports whether s has a digit for each 0 in layout, and else what layout has.
func hasLayout(s, layout string) bool {
	if len(s) != len(layout) {
		return false
	}
	for i := range len(s) {
		if isDigit := '0' <= s[i] && s[i] <= '9'; layout[i] == '0' && !isDigit || layout[i] != '0' && s[i] != layout[i] {
			return false
		}
	}
	return true
}

func parseDuration(v reflect.Value, s string) bool {
	d, err := time.ParseDuration(s)
	v.SetInt(int64(d))
	return err == nil
}

func parseNumber(v reflect.Value, s string) bool {
	v.SetString(s)
	return strictjson.IsNumber(s)
}

// parseBytes reads base64 with its padding and without line breaks, in the one way
// to write it.
func parseBytes(v reflect.Value, s string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || bytes.ContainsAny([]byte(s), "\r\n") {
		return false
	}
	v.SetBytes(b)
	return true
}

package strictjson

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// StringOf returns what the JSON string value says; false if it is no string.
func StringOf(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	b, err := jsontext.AppendUnquote(nil, value)
	return string(b), err == nil
}

// StringsOf returns what the JSON array value holds; false if it is no array of
// strings.
func StringsOf(value string) ([]string, bool) {
	if list := plainStrings(value); list != nil {
		return list, true
	}
	list, ok := ValuesOf(value) // Unmarshal into strings would take null for ""
	for i := range list {
		if list[i], ok = StringOf(list[i]); !ok {
			return nil, false
		}
	}
	return list, ok
}

// plainStrings is StringsOf for a list of printable ASCII without escapes, such as
// nearly every aud and scp; nil for any other value, which is read with more work.
func plainStrings(value string) []string {
	if len(value) < 2 || value[0] != '[' {
		return nil
	}
	list := make([]string, 0, strings.Count(value, ",")+1)
	for rest, mark := value, byte('['); rest[0] == mark; mark = ',' {
		rest = strings.TrimLeft(rest[1:], jsonSpace)
		if rest == "" || rest[0] != '"' {
			return nil
		}
		end := strings.IndexByte(rest[1:], '"') + 1
		if end == 0 || strings.ContainsFunc(rest[1:end], isUnplain) {
			return nil
		}
		list = append(list, rest[1:end])
		switch rest = strings.TrimLeft(rest[end+1:], jsonSpace); rest {
		case "]":
			return list
		case "":
			return nil
		}
	}
	return nil
}

const jsonSpace = " \t\r\n"

func isUnplain(r rune) bool { return r < ' ' || r > '~' || r == '\\' }

// ValuesOf returns the elements of the JSON array value as they stand; false if
// it is no array.
func ValuesOf(value string) ([]string, bool) {
	var raw []jsontext.Value
	if err := json.Unmarshal([]byte(value), &raw); err != nil || value[0] != '[' {
		return nil, false
	}
	list := make([]string, len(raw))
	for i, v := range raw {
		list[i] = string(v)
	}
	return list, true
}

// IsNumber reports whether s is a number as JSON writes it.
func IsNumber(s string) bool {
	v := jsontext.Value(s)
	return v.Kind() == '0' && v.IsValid() && len(s) == len(bytes.TrimSpace(v))
}

// Decode is json.Unmarshal, strict.
func Decode(value string, dst any) error { return json.Unmarshal([]byte(value), dst) }

// Encode is json.Marshal with object members in the order of their names, so
// that equal values make equal strings.
func Encode(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

// Raw is a value that Encode takes as it is.
func Raw(value string) any { return jsontext.Value(value) }

// Quote returns s as a JSON string; invalid UTF-8 becomes U+FFFD.
func Quote(s string) string {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		b, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return string(b)
}

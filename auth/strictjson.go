package auth

// This is the only file that knows the JSON library. It refuses by default what
// two parsers could read differently: duplicate names, invalid UTF-8 (RFC 8725
// section 3.7), lone surrogates, a byte order mark, NaN (RFC 8259 section 4, RFC
// 7493).

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of a header, of claims and of a request's body.
// The claims of RFC 7519 and its relatives need 4.
const maxDepth = 16

// errJSON is for a text that is not one strict JSON object.
var errJSON = errors.New("auth: not a strict JSON object")

// jsonReader takes JSON objects apart without allocating. It is reused.
type jsonReader struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
}

func newJSONReader() *jsonReader {
	jr := &jsonReader{}
	jr.dec = jsontext.NewDecoder(&jr.buf)
	return jr
}

// object calls member for each member of the JSON object text, in order. A name
// comes without its quotes, a value as it stands in text. Both are parts of
// text, unless an escape in a name makes a copy necessary. Anything that is
// not one strict object, and nothing after it, is an error.
func (jr *jsonReader) object(text string, member func(name, value string) error) error {
	jr.buf.Reset()
	jr.buf.WriteString(text)
	jr.dec.Reset(&jr.buf)
	if t, err := jr.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return errJSON
	}
	for jr.dec.PeekKind() == '"' {
		name, ok := jr.next(text)
		if !ok {
			return errJSON
		}
		value, ok := jr.next(text)
		if !ok {
			return errJSON
		}
		name, ok = stringOf(name)
		if !ok {
			return errJSON
		}
		if err := member(name, value); err != nil {
			return err
		}
	}
	if t, err := jr.dec.ReadToken(); err != nil || t.Kind() != '}' {
		return errJSON
	}
	if _, err := jr.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

// next reads one name or value and returns its text.
func (jr *jsonReader) next(text string) (string, bool) {
	kind := jr.dec.PeekKind()
	if kind != '{' && kind != '[' {
		raw, err := jr.dec.ReadValue()
		end := int(jr.dec.InputOffset())
		if err != nil || len(raw) > end {
			return "", false
		}
		return text[end-len(raw) : end], true
	}
	// Token by token: ReadValue would recurse as deep as a stranger likes.
	start, outside := -1, jr.dec.StackDepth()
	for start < 0 || jr.dec.StackDepth() > outside {
		if _, err := jr.dec.ReadToken(); err != nil || jr.dec.StackDepth() > maxDepth {
			return "", false
		}
		if start < 0 {
			start = int(jr.dec.InputOffset()) - 1
		}
	}
	return text[start:jr.dec.InputOffset()], true
}

// stringOf returns what the JSON string value says; false if it is no string.
func stringOf(value string) (string, bool) {
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

// stringsOf returns what the JSON array value holds; false if it is no array of
// strings.
func stringsOf(value string) ([]string, bool) {
	list, ok := valuesOf(value) // Unmarshal into strings would take null for ""
	for i := range list {
		if list[i], ok = stringOf(list[i]); !ok {
			return nil, false
		}
	}
	return list, ok
}

// valuesOf returns the elements of the JSON array value as they stand; false if
// it is no array.
func valuesOf(value string) ([]string, bool) {
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

// checkObject says whether text is one strict JSON object.
func checkObject(text string) error {
	return newJSONReader().object(text, func(string, string) error { return nil })
}

// decode is json.Unmarshal, strict.
func decode(value string, dst any) error { return json.Unmarshal([]byte(value), dst) }

// encode is json.Marshal with object members in the order of their names, so
// that equal claims make equal tokens.
func encode(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

// quote returns s as a JSON string; invalid UTF-8 becomes U+FFFD.
func quote(s string) string {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		b, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return string(b)
}

// rawJSON is a value that encode takes as it is.
func rawJSON(value string) any { return jsontext.Value(value) }

// notObject says whether text is JSON, but no object.
func notObject(text string) bool {
	v := jsontext.Value(text)
	return v.IsValid() && v.Kind() != '{'
}

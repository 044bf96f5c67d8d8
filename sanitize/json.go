package sanitize

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ecolaura/rampart"
)

// jsonReader reads one JSON text token by token and refuses what is legal but
// read differently by different parsers. It is the only place that knows the
// JSON library, which refuses duplicate names, invalid UTF-8 and lone
// surrogates by itself.
type jsonReader struct {
	dec    *jsontext.Decoder
	src    bytes.Buffer
	limits *Limits
	tokens int
}

// jsonKind is the first byte of a value: one of n t f " 0 { [ } ], or 0 where
// there is no value.
type jsonKind = jsontext.Kind

// reset starts reading body, which the reader uses until the next reset.
func (j *jsonReader) reset(body []byte, l *Limits) *rampart.Problem {
	j.limits, j.tokens = l, 0
	if !utf8.Valid(body) { // the library would say so too, but not in a way to tell apart
		return jsonFault("", CodeInvalidUTF8, "The request body is not valid UTF-8.")
	}
	j.src = *bytes.NewBuffer(body)
	if j.dec == nil {
		j.dec = jsontext.NewDecoder(&j.src)
	} else {
		j.dec.Reset(&j.src)
	}
	return nil
}

// peek returns the kind of the next token.
func (j *jsonReader) peek() jsonKind { return j.dec.PeekKind() }

// open and close read a bracket, of either kind.
func (j *jsonReader) open() *rampart.Problem {
	if _, err := j.dec.ReadToken(); err != nil {
		return j.syntax(err)
	}
	if j.dec.StackDepth() > j.limits.MaxDepth {
		return jsonFault("", CodeTooDeep, "Nested too deeply.")
	}
	return j.count()
}

func (j *jsonReader) close() *rampart.Problem {
	if _, err := j.dec.ReadToken(); err != nil {
		return j.syntax(err)
	}
	return j.count()
}

// scalar reads a name, string, number, boolean or null, as it was sent. The
// bytes are good until the next read.
func (j *jsonReader) scalar() ([]byte, *rampart.Problem) {
	raw, err := j.dec.ReadValue()
	if err != nil {
		return nil, j.syntax(err)
	}
	switch kind := raw.Kind(); {
	case kind == '"' && len(raw)-2 > j.limits.MaxString:
		at := ""
		if len(raw) <= maxPointer || !j.atName() { // a long name would be copied several times, to be cut off
			at = j.pointer()
		}
		return nil, jsonFault(at, CodeStringTooLong, "The text is too long.")
	case kind == '0' && len(raw) > j.limits.MaxNumberLen:
		return nil, jsonFault(j.pointer(), CodeNumberTooLong, "The number is too long.")
	}
	return raw, j.count()
}

// unquote returns the text that raw, a quoted string, stands for. A string
// without escapes is a part of raw.
func (j *jsonReader) unquote(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // cannot fail: the decoder has read it
	return text
}

// skip reads the next value, whatever it is, within the limits.
func (j *jsonReader) skip() *rampart.Problem {
	base := j.dec.StackDepth()
	for {
		var p *rampart.Problem
		switch j.peek() {
		case '{', '[':
			p = j.open()
		case '}', ']':
			p = j.close()
		default:
			_, p = j.scalar()
		}
		if p != nil || j.dec.StackDepth() == base {
			return p
		}
	}
}

// end checks that nothing follows the value.
func (j *jsonReader) end() *rampart.Problem {
	_, err := j.dec.ReadToken()
	if err == io.EOF { //nolint:errorlint // documented to be returned bare
		return nil
	}
	return jsonFault("", CodeTrailingData, "Data after the JSON value.")
}

func (j *jsonReader) count() *rampart.Problem {
	if j.tokens++; j.tokens > j.limits.MaxTokens {
		return jsonFault("", CodeTooManyTokens, "Too many values.")
	}
	return nil
}

// atName says whether the token that was read last is the name of a member.
func (j *jsonReader) atName() bool {
	kind, n := j.dec.StackIndex(j.dec.StackDepth())
	return kind == '{' && n%2 == 1
}

// pointer returns the place of the token that was read last.
func (j *jsonReader) pointer() string { return string(j.dec.StackPointer()) }

// syntax describes an error of the library without its text, which quotes the
// input.
func (j *jsonReader) syntax(err error) *rampart.Problem {
	se, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case !ok: // io.EOF: no value at all
		return jsonFault("", CodeSyntax, "No JSON value.")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return jsonFault(string(se.JSONPointer), CodeDuplicateName, "The name is there twice.")
	default:
		return jsonFault(string(se.JSONPointer), CodeSyntax, "Not valid JSON at byte "+strconv.FormatInt(se.ByteOffset, 10)+".")
	}
}

func jsonFault(pointer, code, detail string) *rampart.Problem {
	return unreadable(rampart.FieldError{Pointer: fragment(pointer), Code: code, Detail: detail})
}

// maxPointer bounds what an answer and a log line repeat of names that the
// client chose.
const maxPointer = 256

// fragment writes a JSON Pointer as a URI fragment (RFC 6901 section 6). Of one
// that is very long it keeps the nearest ancestor that is not.
func fragment(pointer string) string {
	p := jsontext.Pointer(pointer)
	for len(p) > maxPointer {
		p = p.Parent()
	}
	u := url.URL{Fragment: string(p)}
	return "#" + u.EscapedFragment()
}

// under returns the pointer of the member name of the object at pointer.
func under(pointer, name string) string {
	return string(jsontext.Pointer(pointer).AppendToken(name))
}

// isJSONNumber says whether s is a number as JSON writes it.
func isJSONNumber(s string) bool {
	v := jsontext.Value(s)
	return v.Kind() == '0' && v.IsValid() && len(s) == len(bytes.TrimSpace(v))
}

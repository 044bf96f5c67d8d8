package strictjson

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ecolaura/rampart"
)

// A Reader reads one JSON text token by token, within limits. After an error it
// reads nothing more, so that only the end of a text needs to ask. The library
// refuses by itself duplicate names, invalid UTF-8 (RFC 8725 section 3.7), lone
// surrogates, a byte order mark, NaN (RFC 8259 section 4, RFC 7493). A Reader is
// reused.
type Reader struct {
	dec    *jsontext.Decoder
	src    bytes.Buffer
	all    []byte // what is read
	text   []byte // a copy, of [Reader.Object]
	limits *Limits
	tokens int
	err    error
}

// NewReader returns a Reader for [Reader.Object], of text whose size the caller
// has bounded.
func NewReader() *Reader { return &Reader{limits: Small(math.MaxInt)} }

// Start starts reading text, which the reader uses until the next start.
func (r *Reader) Start(text []byte, l *Limits) {
	r.limits, r.tokens, r.err, r.all = l, 0, nil, text
	r.src = *bytes.NewBuffer(text)
	if r.dec == nil {
		r.dec = jsontext.NewDecoder(&r.src)
	} else {
		r.dec.Reset(&r.src)
	}
	if !utf8.Valid(text) { // the library would say so too, but not in a way to tell apart
		r.err = errUTF8
	}
}

// Peek returns the first byte of the next token: one of n t f " 0 { [ } ], or 0
// where there is none.
func (r *Reader) Peek() jsontext.Kind {
	if r.err != nil {
		return 0
	}
	return r.dec.PeekKind()
}

// More reports whether the list or object that is open goes on.
func (r *Reader) More() bool {
	kind := r.Peek()
	return r.err == nil && kind != '}' && kind != ']'
}

// Bracket reads a bracket, which opens or closes a list or object.
func (r *Reader) Bracket() {
	if r.err != nil {
		return
	}
	if _, r.err = r.dec.ReadToken(); r.err == nil && r.dec.StackDepth() > r.limits.MaxDepth {
		r.err = errTooDeep
	}
	r.count()
}

// Scalar reads a string, number, boolean or null, as it was sent; nil after an
// error. The bytes are good until the next read.
func (r *Reader) Scalar() []byte {
	if r.err != nil {
		return nil
	}
	raw, err := r.dec.ReadValue()
	kind := raw.Kind()
	switch {
	case err != nil:
		r.err = err
	case kind == '"' && len(raw)-2 > r.limits.MaxString:
		r.err = ErrTextTooLong
	case kind == '0' && len(raw) > r.limits.MaxNumberLen:
		r.err = errNumberTooLong
	}
	if r.count(); r.err != nil {
		return nil
	}
	return raw
}

func (r *Reader) count() {
	if r.tokens++; r.err == nil && r.tokens > r.limits.MaxTokens {
		r.err = errTooManyTokens
	}
}

// Name reads the name of a member; nil after an error.
func (r *Reader) Name() []byte {
	if r.Peek() != '"' {
		r.Bracket() // which says what is wrong
	}
	return Unquote(r.Scalar())
}

// Unquote returns the text that raw, a quoted string, stands for. A string
// without escapes is a part of raw.
func Unquote(raw []byte) []byte {
	switch {
	case raw == nil:
		return nil
	case bytes.IndexByte(raw, '\\') < 0:
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // cannot fail: the decoder has read it
	return text
}

// Skip reads the next value, whatever it is: token by token, as the library's own
// way would recurse as deep as a stranger likes.
func (r *Reader) Skip() {
	base := r.dec.StackDepth()
	for done := false; !done; done = r.err != nil || r.dec.StackDepth() == base {
		switch r.Peek() {
		case '{', '[', '}', ']':
			r.Bracket()
		default:
			r.Scalar()
		}
	}
}

// End checks that nothing follows the value.
func (r *Reader) End() {
	if r.err != nil {
		return
	}
	if _, err := r.dec.ReadToken(); err != io.EOF { //nolint:errorlint // documented to be returned bare
		r.err = errTrailingData
	}
}

// Failed reports whether there was an error.
func (r *Reader) Failed() bool { return r.err != nil }

// Stop ends the reading without an error.
func (r *Reader) Stop() { r.err = errStop }

var errStop = errors.New("strictjson: enough")

// Raw reads the next value, whatever it is, within the limits, and returns it as it
// stands in the text; nil after an error.
func (r *Reader) Raw() []byte {
	r.Peek()
	start := r.dec.InputOffset()
	if r.Skip(); r.err != nil {
		return nil
	}
	return bytes.TrimLeft(r.all[start:r.dec.InputOffset()], jsonSpace+",:")
}

// HasNUL reports whether a text of the JSON value raw holds U+0000, which only an
// escape can stand for.
func HasNUL(raw []byte) bool {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] == '\\' {
			if i++; bytes.HasPrefix(raw[i:], []byte("u0000")) {
				return true
			}
		}
	}
	return false
}

// IsOne reports whether text is one strict JSON value within l, and nothing else.
func IsOne(text string, l *Limits) bool {
	var r Reader
	r.Start([]byte(text), l)
	r.Skip()
	r.End()
	return r.err == nil
}

// Place returns the JSON Pointer of the token that was read last.
func (r *Reader) Place() string { return string(r.dec.StackPointer()) }

// Object calls member for each member of the JSON object text, in order, until it
// returns an error. A name comes without its quotes, a value as it stands in text. Both
// are parts of text, unless an escape in a name makes a copy necessary. Anything
// that is not one strict object, and nothing after it, is an error.
func (r *Reader) Object(text string, member func(name, value string) error) error {
	r.text = append(r.text[:0], text...)
	r.Start(r.text, r.limits)
	kind := r.Peek()
	if kind != '{' {
		r.Skip()
	} else {
		r.Bracket()
		for r.More() {
			start := r.dec.InputOffset()
			r.Name()
			middle := r.dec.InputOffset()
			r.Skip()
			if r.err == nil {
				name, _ := StringOf(token(text[start:middle]))
				r.err = member(name, token(text[middle:r.dec.InputOffset()]))
			}
		}
		r.Bracket()
	}
	r.End()
	switch {
	case r.err != nil || kind == '{':
		return r.err
	case kind == 'n':
		r.err = ErrNull
	default:
		r.err = ErrObject
	}
	return r.err
}

// token returns s without what separates a token from the one before.
func token(s string) string {
	for {
		switch s[0] {
		case ' ', '\t', '\n', '\r', ',', ':':
			s = s[1:]
		default:
			return s
		}
	}
}

// Problem returns the response to a text that r could not read; nil if it could. It
// never says what the library says, which quotes the input.
func (r *Reader) Problem() *rampart.Problem {
	if r.err == nil || errors.Is(r.err, errStop) {
		return nil
	}
	fault, ok := errors.AsType[*Fault](r.err)
	if !ok { // io.EOF
		fault = errNoValue
	}
	pointer := ""
	switch se, ok := errors.AsType[*jsontext.SyntacticError](r.err); {
	case fault == ErrObject || fault == ErrNull:
		return Misshapen.Problem(fault.At("#"))
	case ok && errors.Is(r.err, jsontext.ErrDuplicateName):
		fault, pointer = errDuplicateName, string(se.JSONPointer)
	case ok:
		fault = &Fault{errNoValue.Code, "Not valid JSON at byte " + strconv.FormatInt(se.ByteOffset, 10) + "."}
		pointer = string(se.JSONPointer)
	case fault == errNumberTooLong, fault == ErrTextTooLong && (r.limits.MaxString < MaxPointer || !r.atName()):
		pointer = string(r.dec.StackPointer()) // a long name would be copied several times, to be cut off
	}
	return Unreadable.Problem(fault.At(Fragment(pointer)))
}

// atName reports whether the token that was read last is the name of a member.
func (r *Reader) atName() bool {
	kind, n := r.dec.StackIndex(r.dec.StackDepth())
	return kind == '{' && n%2 == 1
}

// MaxPointer bounds what a response and a log line repeat of names that the
// client chose.
const MaxPointer = 256

// Fragment writes a JSON Pointer as a URI fragment (RFC 6901 section 6). Of one
// that is very long it keeps the nearest ancestor that is not.
func Fragment(pointer string) string {
	p := jsontext.Pointer(pointer)
	for len(p) > MaxPointer {
		p = p.Parent()
	}
	u := url.URL{Fragment: string(p)}
	return "#" + u.EscapedFragment()
}

// Under returns the pointer of the member name of the object at pointer.
func Under(pointer, name string) string {
	return string(jsontext.Pointer(pointer).AppendToken(name))
}

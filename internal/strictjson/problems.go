package strictjson

import (
	"net/http"

	"github.com/ecolaura/rampart"
)

// A Kind is why a request is refused: the response, whichever endpoint finds it.
type Kind struct {
	status       int
	code, detail string
}

// The kinds (read-only). What is Misshapen can be read, but is of another type than the
// endpoint takes: Django responds with 400, so we do. What is Invalid has the right
// types, and breaks a rule.
//
//nolint:gochecknoglobals // read-only
var (
	Unreadable    = Kind{http.StatusBadRequest, "parse_error", "Malformed request."}
	Misshapen     = Kind{http.StatusBadRequest, CodeInvalid, "Invalid input."}
	Invalid       = Kind{http.StatusUnprocessableEntity, CodeInvalid, "Invalid input."}
	TooLarge      = Kind{http.StatusRequestEntityTooLarge, "request_too_large", "The request body is too large."}
	WrongMedia    = Kind{http.StatusUnsupportedMediaType, "unsupported_media_type", "Unsupported media type in request."}
	WrongEncoding = Kind{http.StatusUnsupportedMediaType, "unsupported_content_encoding", "Unsupported content encoding in request."}
	BadQuery      = Kind{http.StatusBadRequest, "invalid_query", "Malformed query."}
	LongURI       = Kind{http.StatusRequestURITooLong, "uri_too_long", "The URL is too long."}
	BadPath       = Kind{http.StatusBadRequest, "invalid_path", "The path is not valid."}
)

// CodeInvalid is the code of every response about fields.
const CodeInvalid = "invalid"

// Problem returns the response with errs.
func (k Kind) Problem(errs ...rampart.FieldError) *rampart.Problem {
	return &rampart.Problem{Status: k.status, Code: k.code, Detail: k.detail, Errors: errs}
}

// A Fault is one thing that is wrong with a text or a field. Where Django REST
// framework has a counterpart, code and detail are like its own.
type Fault struct{ Code, Detail string } //nolint:errname // being an error is its second use

// Error implements error.
func (f *Fault) Error() string { return "strictjson: " + f.Code }

// At returns f as the error at a pointer.
func (f *Fault) At(pointer string) rampart.FieldError {
	return rampart.FieldError{Pointer: pointer, Code: f.Code, Detail: f.Detail}
}

// What is wrong with a text that cannot be read, and with a field.
var (
	errUnread        = &Fault{"syntax", "The request body could not be read."}
	errNoValue       = &Fault{"syntax", "No JSON value."}
	errDuplicateName = &Fault{"duplicate_name", "The name is there twice."}
	errUTF8          = &Fault{"invalid_utf8", "The request body is not valid UTF-8."}
	errTrailingData  = &Fault{"trailing_data", "Data after the JSON value."}
	errTooDeep       = &Fault{"too_deep", "Nested too deeply."}
	errTooManyTokens = &Fault{"too_many_tokens", "Too many values."}
	errNumberTooLong = &Fault{"number_too_long", "The number is too long."}
	errTooManyParams = &Fault{"too_many_parameters", "Too many parameters."}
	errSemicolon     = &Fault{"syntax", "A semicolon must be written as %3B."}
	errEscape        = &Fault{"syntax", "A percent sign without two hexadecimal digits."}
	errParamUTF8     = &Fault{"invalid_utf8", "A parameter is not valid UTF-8."}

	ErrTextTooLong = &Fault{"string_too_long", "The text is too long."}
	ErrObject      = &Fault{"invalid", "Invalid data. Expected a dictionary."}
	ErrText        = &Fault{"invalid", "Not a valid string."}
	ErrList        = &Fault{"not_a_list", "Expected a list of items."}
	ErrNull        = &Fault{"null", "This field may not be null."}
	ErrNUL         = &Fault{"null_characters_not_allowed", "Null characters are not allowed."}
	ErrRequired    = &Fault{"required", "This field is required."}
	ErrBlank       = &Fault{"blank", "This field may not be blank."}
	ErrRepeated    = &Fault{"repeated", "This field is there more than once."}
	ErrUnknown     = &Fault{"unknown_field", "Unknown field."}
	ErrWrongCase   = &Fault{"wrong_case", "Unknown field: the case of its name is wrong."}
)

// Faults collects what is wrong with the fields of one request, in input order.
type Faults struct {
	List      []rampart.FieldError
	Most      int  // so many make the response complete
	Misshapen bool // one of them is about a type
}

// Add notes an error and reports whether there is room for another one.
func (f *Faults) Add(e rampart.FieldError) bool {
	f.List = append(f.List, e)
	return len(f.List) < f.Most
}

// Problem returns the response; nil if nothing is wrong.
func (f *Faults) Problem() *rampart.Problem {
	switch {
	case len(f.List) == 0:
		return nil
	case f.Misshapen:
		return Misshapen.Problem(f.List...)
	}
	return Invalid.Problem(f.List...)
}

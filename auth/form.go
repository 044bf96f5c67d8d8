package auth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// maxForm bounds a request's body: a token of the longest kind fits.
const maxForm = maxMaxBytes + 1<<10

// readForm returns the named string fields of a JSON or form body, in order, or
// a [*rampart.Problem].
func readForm(w http.ResponseWriter, r *http.Request, names ...string) ([]string, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := media == "application/json"
	if err != nil || !isJSON && media != "application/x-www-form-urlencoded" || !isUTF8(params["charset"]) {
		return nil, &rampart.Problem{
			Status: http.StatusUnsupportedMediaType,
			Code:   "unsupported_media_type",
			Detail: "Send application/json or application/x-www-form-urlencoded.",
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &rampart.Problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large"}
	}
	if err != nil {
		return nil, &rampart.Problem{Status: http.StatusBadRequest, Code: "body_unreadable"}
	}
	fields := make([]field, len(names))
	for i, name := range names {
		fields[i].name = name
	}
	if isJSON {
		err = readJSON(string(body), fields)
	} else {
		err = readURLEncoded(string(body), fields)
	}
	if err != nil {
		return nil, err
	}
	return checkFields(fields)
}

// isUTF8 says whether the charset parameter is absent or UTF-8.
func isUTF8(charset string) bool { return charset == "" || strings.EqualFold(charset, "utf-8") }

// field is one expected field of a body.
type field struct {
	name, value    string
	present, wrong bool // wrong: not a string
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func readJSON(body string, fields []field) error {
	err := newJSONReader().object(body, func(name, value string) error {
		if f := find(fields, name); f != nil {
			var isString bool
			f.value, isString = stringOf(value)
			f.present, f.wrong = true, !isString
		}
		return nil
	})
	if err == nil {
		return nil
	}
	if notObject(body) { // simplejwt's words
		return &rampart.Problem{
			Status:     http.StatusBadRequest,
			Code:       "invalid",
			Detail:     "Invalid data. Expected a dictionary.",
			Extensions: map[string]any{"non_field_errors": []string{"Invalid data. Expected a dictionary."}},
		}
	}
	return &rampart.Problem{Status: http.StatusBadRequest, Code: "parse_error", Detail: "JSON parse error"}
}

func readURLEncoded(body string, fields []field) error {
	form, err := url.ParseQuery(body)
	if err != nil {
		return &rampart.Problem{Status: http.StatusBadRequest, Code: "parse_error", Detail: "Form parse error"}
	}
	for i := range fields {
		f := &fields[i]
		values := form[f.name]
		f.present, f.wrong = len(values) > 0, len(values) > 1 || len(values) == 1 && !utf8.ValidString(values[0])
		if f.present {
			f.value = values[0]
		}
	}
	return nil
}

// checkFields returns the values, or one problem with every field's error.
func checkFields(fields []field) ([]string, error) {
	values := make([]string, len(fields))
	p := &rampart.Problem{Status: http.StatusBadRequest, Code: "invalid", Extensions: map[string]any{}}
	for i, f := range fields {
		values[i] = f.value
		code, detail := f.mistake()
		if code == "" {
			continue
		}
		p.Errors = append(p.Errors, rampart.FieldError{Pointer: "#/" + f.name, Code: code, Detail: detail})
		p.Extensions[f.name] = []string{detail} // where simplejwt's clients look
	}
	if len(p.Errors) > 0 {
		return nil, p
	}
	return values, nil
}

// mistake returns what is wrong with f, in simplejwt's words.
func (f *field) mistake() (code, detail string) {
	switch {
	case !f.present:
		return "required", "This field is required."
	case f.wrong:
		return "invalid", "Not a valid string."
	case strings.TrimSpace(f.value) == "":
		return "blank", "This field may not be blank."
	case strings.Contains(f.value, "\x00"):
		return "null_characters_not_allowed", "Null characters are not allowed."
	default:
		return "", ""
	}
}

package sanitize

import (
	"log/slog"
	"net/http"

	"github.com/go-playground/validator/v10"

	"github.com/ecolaura/rampart"
)

// Config configures a [Binder]. The zero value is strict and safe.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Limits bounds each request.
	Limits Limits

	// AllowUnknown ignores names that no field has, in place of refusing them.
	// A name that differs from a field's only by case is refused all the same:
	// the next parser in line may take it for the field.
	AllowUnknown bool

	// Uploads says how the parts of a multipart body are read.
	Uploads Uploads

	// Rules are further validate tags for strings. A rule that returns an
	// [*Invalid] chooses the code and detail that the client sees; of any other
	// error the client sees nothing, and the code is the rule's name.
	Rules map[string]func(value string) error

	// Validator is called once, by [NewBinder], with the library that runs the rules,
	// to register further ones: validations, with a context or without, aliases,
	// rules for whole structs, translations. They may look at other fields, and are
	// tried on zero values. The rules of this package cannot be replaced.
	Validator func(*validator.Validate) error

	// Catalogues say what is wrong in other languages, by BCP 47 tag, such as "de"
	// or "pt-BR". The client's Accept-Language chooses; without a match the response is
	// in English.
	Catalogues map[string]Catalogue

	// EmptyAbsent takes an empty field of a form or query for one that is not there:
	// browsers send every input of a page.
	EmptyAbsent bool

	// Cleaners are further sanitize tags, such as the Clean of a markup.Policy.
	Cleaners map[string]func(string) string

	// ErrorHandler responds to a refused request; err is a [*rampart.Problem].
	// If nil, that problem is the response.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives one security event for each refused request, with codes
	// and pointers, never values. If nil, [slog.Default] is used.
	Logger *slog.Logger
}

// ReasonUnsupported is a [*rampart.ConfigError]'s: input cannot fill a Go type,
// or a rule does not fit it.
const ReasonUnsupported rampart.Reason = "unsupported"

// notConfigured is the response of a zero Binder or Guard: it fails closed.
func notConfigured() *rampart.Problem {
	return &rampart.Problem{Status: http.StatusInternalServerError, Code: "not_configured"}
}

// respond responds with p unless handler wants to.
func respond(w http.ResponseWriter, r *http.Request, p *rampart.Problem, handler func(http.ResponseWriter, *http.Request, error)) {
	if handler != nil {
		handler(w, r, p)
		return
	}
	p.Write(w)
}

package sanitize

import (
	"net/http"
	"reflect"

	"github.com/ecolaura/rampart"
)

// A Binder turns requests into values of type T: a struct, or for JSON also a list or
// map. Each field is read under the name in its json tag, cleaned as its sanitize
// tag says, then checked as its validate tag says:
//
//	type Product struct {
//		Name        string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
//		Description string `json:"description" sanitize:"html=basic" validate:"max=20000"`
//		Price       string `json:"price" validate:"required,decimal=10:2,min=0"`
//	}
//
// A field with a path tag in place of json, such as `path:"id"`, is filled by the
// path of the URL ([http.Request.PathValue]) and by nothing in the body.
//
// A Binder is safe for concurrent use. The zero Binder refuses everything.
// Create one with [NewBinder].
type Binder[T any] struct{ e *engine }

// NewBinder returns a Binder for T, or every mistake in cfg and in T's tags,
// each a [*rampart.ConfigError], joined.
//
// Fields may be strings, booleans, numbers, [time.Time] (RFC 3339), [time.Duration]
// (text such as "1h30m"), []byte (base64), types that read themselves from JSON
// ([encoding/json.Unmarshaler]) or text ([encoding.TextUnmarshaler]), which are
// asked to, structs, slices, arrays of exactly their length, maps with keys that are
// strings, integers or such types, any, pointers (nil for null), [Optional]s and
// [database/sql.Null]s of them, and [File]s.
//
// Tags of sanitize, in the order in which they are written: trim (white space
// at the ends), lower, nfc, text and multiline ([Text]), striptags
// (package markup), html=basic and html=ugc (its policies), and Config.Cleaners.
// Those of a list or map are for its elements and for keys that are strings; a part
// such as "keys,trim,endkeys" at the beginning is for the keys in their place.
//
// Tags of validate are those of github.com/go-playground/validator, which runs
// them, with its meaning: a field that is not there is checked as a zero, unless
// "omitempty" comes first; "required" refuses the zero value, except behind a
// pointer, where it tells presence; "a|b" is a choice. Lists and maps of structs are
// checked with or without "dive". A few formats are stricter here (see
// docs/sanitizing.md). Further tags are present (in the input, so that 0, false and
// "" can be valid); decimal=DIGITS:PLACES (a text or number, stored as text
// with exactly PLACES digits after the point; min and max then compare
// numbers; DIGITS is 18 at most, which an int64 holds); types (of a [File]); the
// validators of this package, which also store the canonical form: email, phone,
// slug, url, ip, username, filename; Config.Rules; and what Config.Validator
// registers. A format that stands for something short, such as a language tag,
// refuses a text of more than 256 bytes.
//
// A method Validate() error or Validate(ctx context.Context) error of T, or of a
// struct in it, is called at the end, if nothing else is wrong. Its error may be an
// [*Invalid], or a [*rampart.Problem] whose Errors have pointers from there; one
// without Errors is the response as it is. Of any other error the client sees nothing.
func NewBinder[T any](cfg Config) (*Binder[T], error) {
	e, err := newEngine(cfg, reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return &Binder[T]{e}, nil
}

// Bind reads the body of r, JSON, urlencoded or multipart as its Content-Type
// says. The error is a [*rampart.Problem]: 400, 413 or 415 for a body that cannot be
// read; else all field errors in input order (then those of missing fields and of the rules
// that ask other fields), with 400 if a value is of another type than its field and
// with 422 if not. The value is then the zero T. A refusal is logged; w is needed to
// close the connection of a client that sends too much.
func (b *Binder[T]) Bind(w http.ResponseWriter, r *http.Request) (T, error) {
	v, p := run(b, r, func(e *engine, v reflect.Value) *rampart.Problem { return e.bind(w, r, v) })
	if p != nil {
		return v, p
	}
	return v, nil
}

// BindQuery reads the query of r and the path values ([http.Request.PathValue])
// that have the names of T's fields. T is a struct. The parts of a field are named as
// in "address.street", "address[street]", "items[0].sku" and "tag[]". A parameter that
// is there twice is an error unless its field is a slice. The error is a [*rampart.Problem]: 400 or
// 414 for a query that cannot be read, 400 with all errors if a parameter is there
// twice, else 422 with all errors.
func (b *Binder[T]) BindQuery(r *http.Request) (T, error) {
	v, p := run(b, r, func(e *engine, v reflect.Value) *rampart.Problem { return e.query(r, v) })
	if p != nil {
		return v, p
	}
	return v, nil
}

// Handler returns a handler that calls h with the bound body, or responds with
// the problem.
func (b *Binder[T]) Handler(h func(http.ResponseWriter, *http.Request, T)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, p := run(b, r, func(e *engine, v reflect.Value) *rampart.Problem { return e.bind(w, r, v) }) //nolint:contextcheck // r has it
		switch {
		case p == nil:
			h(w, r, v)
		case b.e == nil:
			p.Write(w)
		default:
			respond(w, r, p, b.e.errorHandler)
		}
	})
}

// run fills a new T with read and logs a refusal. A refused T is zero: nothing
// of it may be used by mistake.
func run[T any](b *Binder[T], r *http.Request, read func(*engine, reflect.Value) *rampart.Problem) (T, *rampart.Problem) {
	var v, zero T
	if b.e == nil {
		return zero, notConfigured()
	}
	if p := read(b.e, reflect.ValueOf(&v).Elem()); p != nil {
		report(b.e.rep, r, p)
		return zero, p
	}
	return v, nil
}

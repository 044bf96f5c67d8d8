package sanitize

import (
	"net/http"
	"reflect"

	"github.com/ecolaura/rampart"
)

// A Binder turns requests into values of type T, a struct. Each field is read
// under the name in its json tag, cleaned as its sanitize tag says, then
// checked as its validate tag says:
//
//	type Product struct {
//		Name        string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
//		Description string `json:"description" sanitize:"html=basic" validate:"max=20000"`
//		Price       string `json:"price" validate:"required,decimal=10:2,min=0"`
//	}
//
// A Binder is safe for concurrent use. The zero Binder refuses everything.
// Create one with [NewBinder].
type Binder[T any] struct{ e *engine }

// NewBinder returns a Binder for T, or every mistake in cfg and in T's tags,
// each a [*rampart.ConfigError], joined.
//
// Fields may be strings, booleans, numbers, types that read themselves from
// text ([encoding.TextUnmarshaler], such as [time.Time] and [net/netip.Addr]),
// structs, slices, maps with string keys, pointers (nil for null) and [Optional]s
// of them, and [File]s. "required" means present in the input, so 0, false and
// "" can be valid; rules do not apply to an absent field.
//
// Tags of sanitize, in the order in which they are written: trim (white space
// at the ends), lower, nfc, text and multiline ([Text]), striptags
// (package markup), html=basic and html=ugc (its policies), and Config.Cleaners.
//
// Tags of validate: required; omitempty (the other rules do not apply to "");
// min, max, len, gt, gte, lt, lte (characters of a text, elements of a list,
// size of a number); decimal=DIGITS:PLACES (a text or number, stored as text
// with exactly PLACES digits after the point; min and max then compare
// numbers; DIGITS is 18 at most, which an int64 holds); types (of a [File]); dive
// (what follows is for each element); the validators of this package, which also
// store the canonical form: email, phone, slug, url, ip, username, filename;
// Config.Rules; and those of github.com/go-playground/validator that look at one
// text only, such as oneof, uuid, alphanum, hostname_rfc1123, iso4217,
// bcp47_language_tag. Those that stand for something short, as the last three do,
// refuse a text of more than 256 bytes.
func NewBinder[T any](cfg Config) (*Binder[T], error) {
	e, err := newEngine(cfg, reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return &Binder[T]{e}, nil
}

// Bind reads the body of r, JSON, urlencoded or multipart as its Content-Type
// says. The error is a [*rampart.Problem]: 400, 413 or 415 for a body that cannot be
// read; else all field errors in input order (then the missing fields), with 400 if
// a value is of another type than its field and with 422 if not. The value is then the zero T. A refusal is logged; w is needed
// to close the connection of a client that sends too much.
func (b *Binder[T]) Bind(w http.ResponseWriter, r *http.Request) (T, error) {
	v, p := run(b, r, func(e *engine, v reflect.Value) *rampart.Problem { return e.bind(w, r, v) })
	if p != nil {
		return v, p
	}
	return v, nil
}

// BindQuery reads the query of r and the path values ([http.Request.PathValue])
// that have the names of T's fields. A parameter that is there twice is an
// error unless its field is a slice. The error is a [*rampart.Problem]: 400 or
// 414 for a query that cannot be read, 400 with all errors if a parameter is there
// twice, else 422 with all errors.
func (b *Binder[T]) BindQuery(r *http.Request) (T, error) {
	v, p := run(b, r, func(e *engine, v reflect.Value) *rampart.Problem { return e.query(r, v) })
	if p != nil {
		return v, p
	}
	return v, nil
}

// Handler returns a handler that calls h with the bound body, or answers with
// the problem.
func (b *Binder[T]) Handler(h func(http.ResponseWriter, *http.Request, T)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, p := run(b, r, func(e *engine, v reflect.Value) *rampart.Problem { return e.bind(w, r, v) })
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

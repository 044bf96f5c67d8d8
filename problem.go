package rampart

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/ecolaura/rampart/internal/request"
)

// A Problem is a refused request as its client sees it: the body of an
// application/problem+json answer (RFC 9457). It never holds text taken from
// the request, nor the cause of the refusal: those go to the log.
//
// A Problem is an error, so that a function that finds one can return it.
type Problem struct { //nolint:errname // the name of RFC 9457; being an error is its second use
	// Type is a URI that names the kind of problem; empty means about:blank
	// (RFC 9457 section 4.2.1), where Title is the status text.
	Type string
	// Title is a short, fixed summary; empty means the status text.
	Title string
	// Status is the HTTP status code; 0 means 500.
	Status int
	// Detail is a sentence for people, fixed by the code that refuses.
	Detail string
	// Code is a stable word for programs, such as "token_not_valid". It is an
	// extension member (RFC 9457 section 3.2).
	Code string
	// Errors lists what is wrong with each input field, in input order.
	Errors []FieldError
	// Header holds fields that the response needs, such as WWW-Authenticate and
	// Retry-After. They are no part of the body.
	Header http.Header
	// Extensions holds further members, written after the others in the order
	// of their names. A name of a member above is ignored.
	Extensions map[string]any
}

// A FieldError points at one bad input. It never echoes the value.
type FieldError struct {
	Pointer   string `json:"pointer,omitempty"`   // JSON Pointer into the body as a URI fragment (RFC 6901 section 6), such as "#/items/3/sku"
	Parameter string `json:"parameter,omitempty"` // or the name of a query or path parameter
	Code      string `json:"code"`                // stable word for programs, such as "required"
	Detail    string `json:"detail"`              // sentence for people

	// Params holds the numbers and words of the rule that was broken, such as
	// {"min": "8"}, for clients that write the sentence themselves. Without any it
	// is no member of the response.
	Params map[string]string `json:"params,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string {
	s := "rampart: " + strconv.Itoa(p.status()) + " " + p.title()
	if p.Code != "" {
		s += ": " + p.Code
	}
	return s
}

// Denial returns p's code, and Problem p itself: a Problem is a [Refusal].
func (p *Problem) Denial() Denial { return Denial(p.Code) }

// Problem implements [Refusal].
func (p *Problem) Problem() *Problem { return p }

func (p *Problem) status() int {
	if p.Status == 0 {
		return http.StatusInternalServerError
	}
	return p.Status
}

func (p *Problem) title() string {
	if p.Title == "" {
		return http.StatusText(p.status())
	}
	return p.Title
}

// MarshalJSON returns the members in a fixed order, so that responses are
// byte-equal from one run to the next.
func (p *Problem) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 256)
	b = append(b, '{')
	member := func(name, value string) {
		if value == "" {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, `":`...)
		b = appendJSONString(b, value)
	}
	member("type", p.Type)
	member("title", p.title())
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(b, `"status":`...)
	b = strconv.AppendInt(b, int64(p.status()), 10)
	member("detail", p.Detail)
	member("code", p.Code)
	if len(p.Errors) > 0 {
		list, err := json.Marshal(p.Errors)
		if err != nil {
			return nil, err
		}
		b = append(b, `,"errors":`...)
		b = append(b, list...)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Extensions)) {
		switch name {
		case "type", "title", "status", "detail", "code", "errors":
			continue
		}
		value, err := json.Marshal(p.Extensions[name])
		if err != nil {
			return nil, err
		}
		b = append(b, ',')
		b = appendJSONString(b, name)
		b = append(b, ':')
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// appendJSONString appends s as a JSON string. The strings of a Problem are
// constants of the code that refuses, so the plain case is nearly all of them.
func appendJSONString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil { // unreachable: a string always marshals
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Write responds with p. Headers that were set for another body (ETag,
// Last-Modified, Content-Length, Content-Disposition) are removed; all others stay,
// and those of p.Header are set. Content-Encoding stays, as with [http.Error]: a
// middleware around the layers may set it and compress what they write. A handler
// that set it for a body of its own deletes it first. The response is never cached or
// sniffed.
func (p *Problem) Write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.Header.Clone()) // no response shares a slice with another
	request.WriteProblem(w, p.status(), p.body())
}

func (p *Problem) body() []byte {
	body, err := p.MarshalJSON()
	if err != nil { // an extension that does not marshal: answer without it
		body, _ = (&Problem{Status: p.status(), Code: p.Code}).MarshalJSON()
	}
	return append(body, '\n')
}

// ServeHTTP responds to every request with p, so that a Problem can stand where a
// handler is asked for.
func (p *Problem) ServeHTTP(w http.ResponseWriter, _ *http.Request) { p.Write(w) }

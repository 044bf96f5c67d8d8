package auth

import (
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// maxForm bounds a request's body: a token of the longest kind fits.
const maxForm = maxMaxBytes + 1<<10

// readForm returns the named string fields of a JSON or form body, in order, or
// a [*rampart.Problem]. Like Django it ignores other fields.
func readForm(w http.ResponseWriter, r *http.Request, names ...string) ([]string, error) {
	limits := strictjson.Small(maxForm, strictjson.JSON, strictjson.Form)
	limits.AllowUnknown = true
	values, fields := make([]string, len(names)), make([]strictjson.Field, len(names))
	for i, name := range names {
		fields[i] = strictjson.Field{Name: name, Text: &values[i], Required: true}
	}
	if p := limits.Object(w, r, fields...); p != nil {
		return nil, asSimplejwt(p)
	}
	return values, nil
}

// asSimplejwt brings what is wrong with fields into the shape of simplejwt's
// serializers: 400, without a detail, and a list of sentences for each field.
func asSimplejwt(p *rampart.Problem) *rampart.Problem {
	if p.Code != strictjson.CodeInvalid {
		return p
	}
	p.Status, p.Detail, p.Extensions = http.StatusBadRequest, "", map[string]any{}
	for _, e := range p.Errors {
		name := strings.TrimPrefix(e.Pointer, "#/")
		if name == "#" {
			name = "non_field_errors"
		}
		p.Extensions[name] = []string{e.Detail}
	}
	return p
}

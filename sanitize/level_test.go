package sanitize_test

import (
	"net/http/httptest"
	"testing"

	"github.com/go-playground/validator/v10"
	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

func TestStructRulesOfTheLibrary(t *testing.T) {
	type order struct {
		Kind string `json:"kind"`
	}
	b := newBinder[order](t, sanitize.Config{
		Validator: func(v *validator.Validate) error {
			v.RegisterStructValidation(func(sl validator.StructLevel) {
				switch sl.Current().Field(0).String() {
				case "panics":
					panic("a secret")
				case "refused":
					sl.ReportError(sl.Current().Field(0).Interface(), "Kind", "Kind", "kind", "")
				}
			}, order{})
			return nil
		},
		Catalogues: map[string]sanitize.Catalogue{"de": func(e rampart.FieldError, rule validator.FieldError) string {
			if rule == nil {
				return "Nein: " + e.Code
			}
			return "Nein: " + rule.StructField()
		}},
	})
	for kind, want := range map[string]rampart.FieldError{
		"panics":  {Pointer: "#", Code: "invalid", Detail: "Nein: invalid"},
		"refused": {Pointer: "#/kind", Code: "kind", Detail: "Nein: Kind"},
	} {
		r := post("application/json", `{"kind":"`+kind+`"}`)
		r.Header.Set("Accept-Language", "de")
		_, err := b.Bind(httptest.NewRecorder(), r)
		assert.Equal(t, []rampart.FieldError{want}, problem(t, err).Errors)
	}
	_, got := bindJSON(t, b, `{"kind":"fine"}`)
	assert.Empty(t, got)
}

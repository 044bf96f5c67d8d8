package sanitize_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-playground/locales/de"
	ut "github.com/go-playground/universal-translator"
	"github.com/go-playground/validator/v10"
	detranslations "github.com/go-playground/validator/v10/translations/de"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

func TestMessagesByLanguage(t *testing.T) {
	type form struct {
		Name  string         `json:"name" validate:"required,max=3"`
		Age   int            `json:"age" validate:"gte=18"`
		Again string         `json:"again" validate:"eqfield=Name"`
		Tags  []string       `json:"tags" validate:"dive,alpha"`
		Price string         `json:"price" validate:"omitempty,decimal=4:2"`
		Home  map[string]int `json:"home" validate:"omitempty,min=2"`
	}
	german, _ := ut.New(de.New()).GetTranslator("de")
	b := newBinder[form](t, sanitize.Config{
		Validator: func(v *validator.Validate) error { return detranslations.RegisterDefaultTranslations(v, german) },
		Catalogues: map[string]sanitize.Catalogue{
			"de": func(e rampart.FieldError, rule validator.FieldError) string {
				switch {
				case e.Code == sanitize.CodeInvalid:
					return "Das geht so nicht."
				case rule != nil:
					return strings.TrimSpace(rule.Translate(german))
				}
				return "" // in English
			},
			"pt-BR": func(e rampart.FieldError, _ validator.FieldError) string { return e.Code + " " + e.Params["max"] },
		},
	})
	tests := []struct {
		desc, accept, body, lang string
		want                     []string
	}{
		{
			"the library's translations, and own words", "de-AT,de;q=0.9,en;q=0.5", `{"name":"abcd","age":17,"again":"x","tags":["a","1"],"price":"x","home":{}}`, "de",
			[]string{
				"name darf maximal 3 Zeichen lang sein", "age muss 18 oder größer sein", "tags darf nur alphabetische Zeichen enthalten", "Das geht so nicht.",
				"home muss mindestens 2 Elemente enthalten", "muss gleich Name sein",
			},
		},
		{"what no catalogue has is in English", "de", `{"age":18}`, "de", []string{"This field is required."}},
		{"own words only", "pt", `{"name":"abcd","age":18,"again":"abcd"}`, "pt-BR", []string{"max_length 3"}},
		{"another language", "fr", `{"name":"abcd","age":18,"again":"abcd"}`, "en", []string{"Ensure this field has no more than 3 characters."}},
		{"no language", "", `{"name":"abcd","age":18,"again":"abcd"}`, "en", []string{"Ensure this field has no more than 3 characters."}},
		{"a malformed header", ";;;", `{"name":"abcd","age":18,"again":"abcd"}`, "en", []string{"Ensure this field has no more than 3 characters."}},
		{"a header that is too long", "de" + strings.Repeat(",de", 200), `{"name":"abcd","age":18,"again":"abcd"}`, "en", []string{"Ensure this field has no more than 3 characters."}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			r, w := post("application/json", tt.body), httptest.NewRecorder()
			r.Header.Set("Accept-Language", tt.accept)
			_, err := b.Bind(w, r)
			var got []string
			for _, e := range problem(t, err).Errors {
				got = append(got, e.Detail)
			}
			if strings.HasPrefix(tt.desc, "what no") {
				got = got[:1]
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, http.Header{"Content-Language": {tt.lang}, "Vary": {"Accept-Language"}}, w.Header())
		})
	}
	w := httptest.NewRecorder()
	_, err := b.Bind(w, post("application/json", `{"name":"abc","age":18,"again":"abc"}`))
	require.NoError(t, err)
	assert.Empty(t, w.Header())
	r := httptest.NewRequest(http.MethodGet, "/?name=abcd&age=18&again=abcd", nil)
	r.Header.Set("Accept-Language", "de")
	_, err = b.BindQuery(r)
	assert.Equal(t, "name darf maximal 3 Zeichen lang sein", problem(t, err).Errors[0].Detail)
}

func TestCataloguesMustHaveALanguage(t *testing.T) {
	none := func(rampart.FieldError, validator.FieldError) string { return "" }
	_, err := sanitize.NewBinder[address](sanitize.Config{Catalogues: map[string]sanitize.Catalogue{"german!": none, "fr": nil, "en": none}})
	assert.Equal(t, []string{"Catalogues: missing: fr", "Catalogues: invalid: german!"}, mistakes(err))
}

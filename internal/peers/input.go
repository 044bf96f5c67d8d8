package peers

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-playground/validator/v10"
	"github.com/microcosm-cc/bluemonday"

	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/sanitize/markup"
)

// inputRows compares cleaning and binding.
func inputRows() []Row {
	var rows []Row
	policy := bluemonday.UGCPolicy()
	for _, text := range []struct{ group, in string }{
		{"clean: 1 KB of markup", article(1 << 10)},
		{"clean: 100 KB of markup", article(100 << 10)},
		{"clean: 1 KB of plain text", strings.Repeat("It's plain, nothing else. ", 50)[:1024]},
	} {
		rows = append(rows,
			cleaning(text.group, "rampart", text.in, markup.UGC().Clean),
			cleaning(text.group, "floor", text.in, html.EscapeString),
			cleaning(text.group, "bluemonday", text.in, policy.Sanitize),
		)
	}
	const group = "bind: a registration of 750 bytes"
	return append(rows, binding(group, "rampart", ourBinder()), binding(group, "encoding/json, nothing checked", unmarshalOnly()),
		binding(group, "encoding/json, validator, bluemonday", jsonAndValidator(policy)))
}

// article is n bytes of ordinary markup.
func article(n int) string {
	const piece = `<h2>Soap</h2><p>Made of <b>olive oil</b> &amp; <i>lye</i>, see <a href="https://example.com/soap?a=1" title="Soap">the recipe</a>.</p><ul><li>mild<li>cheap</ul><img src="/soap.png" alt="A bar" onerror="x()"><script>x()</script>`
	return strings.Repeat(piece, n/len(piece)+1)[:n]
}

// cleaning answers 204 for as long as clean does the same with in.
func cleaning(group, implementation, in string, clean func(string) string) Row {
	want := len(clean(in))
	return Row{group, implementation, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if len(clean(in)) != want {
			http.Error(w, "another outcome", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}), plainGet(), http.StatusNoContent, nil}
}

type signup struct {
	Email      string   `json:"email" sanitize:"trim" validate:"required,email,max=254"`
	Name       string   `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
	Phone      string   `json:"phone" sanitize:"trim" validate:"required,phone"`
	Note       string   `json:"note" sanitize:"multiline" validate:"max=2000"`
	Bio        string   `json:"bio" sanitize:"html=ugc" validate:"max=5000"`
	Country    string   `json:"country" validate:"required,iso3166_1_alpha2"`
	Newsletter bool     `json:"newsletter"`
	Age        int      `json:"age" validate:"min=16,max=150"`
	Interests  []string `json:"interests" validate:"max=10,dive,min=1,max=30"`
	Address    struct {
		Street string `json:"street" sanitize:"text" validate:"required,max=200"`
		City   string `json:"city" sanitize:"text" validate:"required,max=100"`
		Zip    string `json:"zip" sanitize:"trim" validate:"required,max=12"`
	} `json:"address" validate:"required"`
}

const signupJSON = `{
  "email": "ann.lee@example.com",
  "name": "Ann Lee",
  "phone": "+12025550123",
  "note": "Please call in the morning, never on Fridays. The bell does not work, so knock twice.\nThank you!",
  "bio": "Gardener and soap maker from the north coast. I sell what I make, and I make what I like, with oil from our own olive trees and herbs from the hills behind the house. Visitors are welcome in the workshop from May to September, children too, but please leave the dogs outside.",
  "country": "US",
  "newsletter": true,
  "age": 41,
  "interests": ["soap", "gardening", "books", "hiking", "bread", "bees"],
  "address": {"street": "12 Long Lane, third house behind the mill", "city": "Springfield", "zip": "12345-6789"}
}`

// rewinder is a body that is sent again for each request.
type rewinder struct{ *strings.Reader }

func (rewinder) Close() error { return nil }

func binding(group, implementation string, h http.Handler) Row {
	body := rewinder{strings.NewReader(signupJSON)}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/api/register/", nil)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = int64(len(signupJSON))
	r.Body = body
	return Row{group, implementation, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h.ServeHTTP(w, r)
	}), r, http.StatusNoContent, nil}
}

func ourBinder() http.Handler {
	b := must(sanitize.NewBinder[signup](sanitize.Config{}))
	return b.Handler(func(w http.ResponseWriter, _ *http.Request, v signup) { answer(w, &v) })
}

// unmarshalOnly does not even read the request.
func unmarshalOnly() http.Handler {
	body := []byte(signupJSON)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var v signup
		if err := json.Unmarshal(body, &v); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, &v)
	})
}

// jsonAndValidator is what a handler does by hand.
func jsonAndValidator(policy *bluemonday.Policy) http.Handler {
	validate := validator.New()
	validate.RegisterAlias("phone", "e164")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v signup
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, s := range []*string{&v.Email, &v.Name, &v.Phone, &v.Note, &v.Address.Street, &v.Address.City, &v.Address.Zip} {
			*s = strings.TrimSpace(*s)
		}
		v.Bio = policy.Sanitize(v.Bio)
		if err := validate.Struct(&v); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		answer(w, &v)
	})
}

func answer(w http.ResponseWriter, v *signup) {
	if v.Email != "ann.lee@example.com" || v.Address.City != "Springfield" {
		http.Error(w, "another outcome", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

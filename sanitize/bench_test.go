package sanitize_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

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
  "phone": "+1 202-555-0123",
  "note": "Please call in the morning, never on Fridays. The bell does not work, so knock twice.\nThank you!",
  "bio": "Gardener and soap maker from the north coast. I sell what I make, and I make what I like, with oil from our own olive trees and herbs from the hills behind the house. Visitors are welcome in the workshop from May to September, children too, but please leave the dogs outside.",
  "country": "US",
  "newsletter": true,
  "age": 41,
  "interests": ["soap", "gardening", "books", "hiking", "bread", "bees"],
  "address": {"street": "12 Long Lane, third house behind the mill", "city": "Springfield", "zip": "12345-6789"},
  "padding": ""
}`

func signupBody(tb testing.TB) string {
	tb.Helper()
	body := strings.Replace(signupJSON, ",\n  \"padding\": \"\"", "", 1)
	require.InDelta(tb, 750, len(body), 50)
	return body
}

// rewinder is a body that a benchmark can send again.
type rewinder struct{ *strings.Reader }

func (rewinder) Close() error { return nil }

func BenchmarkBind(b *testing.B) {
	body := signupBody(b)
	binder := newBinder[signup](b, sanitize.Config{})
	src := rewinder{strings.NewReader(body)}
	r := post("application/json", body)
	r.Body = src
	w := httptest.NewRecorder()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		src.Seek(0, io.SeekStart)
		if _, err := binder.Bind(w, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnmarshal is the bar for Bind: decoding alone, with encoding/json.
func BenchmarkUnmarshal(b *testing.B) {
	body := []byte(signupBody(b))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var v signup
		if err := json.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBindQuery(b *testing.B) {
	binder := newBinder[search](b, sanitize.Config{})
	r := httptest.NewRequest(http.MethodGet, "/?q=soap&page=2&all=1", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := binder.BindQuery(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidators(b *testing.B) {
	for name, f := range map[string]func(){
		"Email":    func() { _, _ = sanitize.Email("ann.lee@example.com") },
		"EmailIDN": func() { _, _ = sanitize.Email("ann.lee@bücher.example") },
		"Phone":    func() { _, _ = sanitize.Phone("+1 202-555-0123") },
		"Text":     func() { sanitize.Text("Ann Lee", false) },
		"TextNFC":  func() { sanitize.Text("Žofie Müller", false) },
		"LogLine":  func() { sanitize.LogLine("GET /api/products/") },
		"URL":      func() { _, _ = sanitize.URL("https://example.com/a?b=c") },
		"Redirect": func() { _, _ = sanitize.Redirect("/account?tab=keys") },
		"Username": func() { _, _ = sanitize.Username("alice") },
		"Filename": func() { _, _ = sanitize.Filename("report-2026.pdf") },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkGuard(b *testing.B) {
	g, err := sanitize.NewGuard(sanitize.GuardConfig{})
	require.NoError(b, err)
	for name, target := range map[string]string{"path": "/api/products/", "query": "/api/products/?page=2&q=soap"} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := g.Check(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

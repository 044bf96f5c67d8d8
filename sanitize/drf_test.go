package sanitize_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/sanitize"
)

func TestDRFErrors(t *testing.T) {
	type item struct {
		SKU string `json:"sku" validate:"required,slug"`
	}
	type order struct {
		Email   string            `json:"email" validate:"required,email"`
		Items   []item            `json:"items" validate:"max=1"`
		Address item              `json:"address" validate:"omitempty"`
		Labels  map[string]string `json:"labels" validate:"dive,max=2"`
	}
	b := newBinder[order](t, sanitize.Config{ErrorHandler: sanitize.DRFErrors})
	h := b.Handler(func(http.ResponseWriter, *http.Request, order) { t.Error("the handler ran") })
	tests := []struct {
		desc, body string
		status     int
		want       string
	}{
		{"a field", `{"email":"x"}`, 400, `{"email":["Enter a valid email address."]}`},
		{"in input order", `{"items":7,"email":""}`, 400, `{"items":["Expected a list of items."],"email":["This field may not be blank."]}`},
		{"a part of a field", `{"email":"a@b.co","address":{}}`, 400, `{"address":{"sku":["This field is required."]}}`},
		{
			"elements of a list, and the list", `{"email":"a@b.co","items":[{"sku":"a"},{"sku":"?"}]}`, 400,
			`{"items":{"non_field_errors":["Ensure this field has no more than 1 elements."],"1":{"sku":["Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."]}}}`,
		},
		{
			"names that a pointer escapes", `{"email":"a@b.co","labels":{"a/b~1":"xxx","é%":"xxx"}}`, 400,
			`{"labels":{"a/b~1":["Ensure this field has no more than 2 characters."],"é%":["Ensure this field has no more than 2 characters."]}}`,
		},
		{"the input as a whole", `[]`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary."]}`},
		{"what cannot be read", `{`, 400, `{"detail":"Malformed request."}`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("ETag", "x")
			h.ServeHTTP(w, post("application/json", tt.body))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.want, w.Body.String())
			assert.True(t, json.Valid(w.Body.Bytes()))
			assert.Equal(t, http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}, w.Header())
		})
	}
	for want, err := range map[string]error{
		`415 {"detail":"Unsupported media type in request."}`: func() error { _, err := b.Bind(httptest.NewRecorder(), post("text/plain", "")); return err }(),
		`400 {"email":["This field is required."]}`:           func() error { _, err := b.BindQuery(httptest.NewRequest(http.MethodGet, "/", nil)); return err }(),
		`404 {"detail":"Not Found"}`:                          &rampart.Problem{Status: 404},
		`500 {"detail":"Internal Server Error"}`:              errors.New("secret"),
	} {
		w := httptest.NewRecorder()
		sanitize.DRFErrors(w, nil, err)
		require.Equal(t, want, fmt.Sprint(w.Code, " ", w.Body))
	}
}

// TestDRFErrorsTakeTimeInProportion: an answer can list as many errors as
// Limits.MaxErrors says, or as a handler finds.
func TestDRFErrorsTakeTimeInProportion(t *testing.T) {
	answer := func(n int) (*rampart.Problem, int) {
		p := &rampart.Problem{Status: 422, Code: "invalid"}
		for i := range n {
			p.Errors = append(p.Errors, rampart.FieldError{Pointer: fmt.Sprintf("#/items/%d/sku", i), Detail: "Bad."})
		}
		return p, n
	}
	took := func(p *rampart.Problem, n int) time.Duration {
		w := httptest.NewRecorder()
		spent := cputime.Spent(func() { sanitize.DRFErrors(w, nil, p) })
		assert.Equal(t, n, strings.Count(w.Body.String(), "Bad."))
		return spent
	}
	assert.Less(t, took(answer(100_000)), 5*time.Second, "quadratic, it is half a minute")

	w := httptest.NewRecorder()
	sanitize.DRFErrors(w, nil, &rampart.Problem{Status: 422, Code: "invalid", Errors: []rampart.FieldError{{Pointer: "#" + strings.Repeat("/a", 100_000), Detail: "Bad."}}})
	assert.Equal(t, strings.Repeat(`{"a":`, 32)+`["Bad."]`+strings.Repeat("}", 32), w.Body.String())
}

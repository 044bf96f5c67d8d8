package rampart_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
)

func TestAProblemIsWrittenAsItsMembersInAFixedOrder(t *testing.T) {
	tests := []struct {
		desc string
		p    rampart.Problem
		want string
	}{
		{"only a status", rampart.Problem{Status: 404}, `{"title":"Not Found","status":404}`},
		{"nothing at all", rampart.Problem{}, `{"title":"Internal Server Error","status":500}`},
		{"a status without a text", rampart.Problem{Status: 499}, `{"status":499}`},
		{
			"every member",
			rampart.Problem{
				Type: "https://example.com/p", Title: "T", Status: 422, Detail: `say "é" <b>`, Code: "bad",
				Errors:     []rampart.FieldError{{Pointer: "#/a", Code: "required", Detail: "This field is required."}, {Parameter: "q", Code: "x", Detail: "y"}},
				Extensions: map[string]any{"b": 1, "a": []string{"x"}, "status": 200, "code": "ignored"},
			},
			`{"type":"https://example.com/p","title":"T","status":422,"detail":"say \"é\" \u003cb\u003e","code":"bad",` +
				`"errors":[{"pointer":"#/a","code":"required","detail":"This field is required."},{"parameter":"q","code":"x","detail":"y"}],` +
				`"a":["x"],"b":1}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			got, err := json.Marshal(&tt.p)
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
		})
	}
}

func TestWriteDropsHeadersOfAnotherBodyAndKeepsTheRest(t *testing.T) {
	w := httptest.NewRecorder()
	for _, name := range []string{"Content-Length", "Content-Disposition", "ETag", "Last-Modified"} {
		w.Header().Set(name, "1")
	}
	w.Header().Set("Content-Encoding", "gzip") // of a middleware that compresses what it is given
	w.Header().Set("WWW-Authenticate", "Bearer")
	(&rampart.Problem{Status: 401, Code: "no"}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.Header{
		"Www-Authenticate":       {"Bearer"},
		"Content-Encoding":       {"gzip"},
		"Content-Type":           {"application/problem+json"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
	}, w.Header())
	assert.Equal(t, 401, w.Code)
	assert.Equal(t, `{"title":"Unauthorized","status":401,"code":"no"}`+"\n", w.Body.String())
}

func TestAProblemsHeaderGoesWithItAndIsSharedByNoTwoResponses(t *testing.T) {
	p := &rampart.Problem{Status: 401, Code: "no", Header: http.Header{"Www-Authenticate": {"Bearer"}}}
	for range 2 {
		w := httptest.NewRecorder()
		w.Header().Set("ETag", "of another body")
		p.Write(w)
		assert.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
		assert.Empty(t, w.Header().Get("ETag"))
		assert.NotContains(t, w.Body.String(), "Bearer")
		for _, lines := range w.Header() {
			lines[0] = "written by an outer layer"
		}
	}
}

func TestAnExtensionThatDoesNotMarshalIsLeftOut(t *testing.T) {
	p := &rampart.Problem{Status: 400, Code: "c", Extensions: map[string]any{"f": func() {}}}
	_, err := json.Marshal(p)
	require.Error(t, err)
	w := httptest.NewRecorder()
	p.Write(w)
	assert.Equal(t, 400, w.Code)
	assert.Equal(t, `{"title":"Bad Request","status":400,"code":"c"}`+"\n", w.Body.String())
}

func TestAProblemIsAnError(t *testing.T) {
	assert.EqualError(t, &rampart.Problem{Status: 422, Code: "bad"}, "rampart: 422 Unprocessable Entity: bad")
	assert.EqualError(t, &rampart.Problem{Title: "Broken"}, "rampart: 500 Broken")
}

func BenchmarkProblemWrite(b *testing.B) {
	p := &rampart.Problem{Status: 429, Code: "throttled", Detail: "Request was throttled."}
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		w.Body.Reset()
		p.Write(w)
	}
}

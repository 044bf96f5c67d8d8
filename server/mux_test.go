package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/server"
)

func TestMuxAnswersItsOwnRefusalsWithProblems(t *testing.T) {
	mux := server.NewMux()
	mux.HandleFunc("GET /a/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id"), r.Pattern) })
	mux.HandleFunc("POST /a/{id}", func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	mux.HandleFunc("/tree/", func(http.ResponseWriter, *http.Request) {})
	tests := []struct {
		desc, method, target string
		status               int
		body, allow          string
	}{
		{"a match", "GET", "/a/7", 200, "7GET /a/{id}", ""},
		{"a handler's own 404 stays its own", "POST", "/a/7", 404, "404 page not found\n", ""},
		{"an unknown path", "GET", "/b", 404, `{"title":"Not Found","status":404,"detail":"Not found.","code":"not_found"}` + "\n", ""},
		{"a method that the path does not take", "DELETE", "/a/7", 405, `{"title":"Method Not Allowed","status":405,"detail":"Method \"DELETE\" not allowed.","code":"method_not_allowed"}` + "\n", "GET, HEAD, POST"},
		{"an invented method is not echoed", "BR<EW", "/a/7", 405, `{"title":"Method Not Allowed","status":405,"detail":"Method not allowed.","code":"method_not_allowed"}` + "\n", "GET, HEAD, POST"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, tt.target, nil)
			r.Method = tt.method
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.body, w.Body.String())
			assert.Equal(t, tt.allow, w.Header().Get("Allow"))
		})
	}
	t.Run("a redirect to the clean path stays a redirect", func(t *testing.T) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/tree", nil))
		assert.Equal(t, "/tree/", w.Header().Get("Location"))
		assert.Contains(t, w.Body.String(), "/tree/")
	})
	t.Run("OPTIONS *", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodOptions, "/", nil)
		r.RequestURI = "*"
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		assert.Equal(t, 400, w.Code)
		assert.Equal(t, `{"title":"Bad Request","status":400,"code":"bad_request"}`+"\n", w.Body.String())
	})
	assert.Equal(t, "GET /a/{id}", mux.Pattern(httptest.NewRequest(http.MethodGet, "/a/1", nil)))
	assert.Panics(t, func() { mux.HandleFunc("GET /a/{id}", func(http.ResponseWriter, *http.Request) {}) })
}

func TestAMuxInAMuxGivesHandlersTheirOwnWriter(t *testing.T) {
	var inner, outer server.Mux
	inner.HandleFunc("/in/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	outer.Handle("/in/", &inner)
	for target, want := range map[string]int{"/in/x": 418, "/in/y": 404, "/z": 404} {
		w := httptest.NewRecorder()
		outer.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		assert.Equal(t, want, w.Code, target)
	}
}

func BenchmarkMux(b *testing.B) {
	var mux server.Mux
	mux.HandleFunc("GET /api/public/", func(http.ResponseWriter, *http.Request) {})
	r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		mux.ServeHTTP(w, r)
	}
}

func ExampleMux() {
	mux := server.NewMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/nowhere", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 404 {"title":"Not Found","status":404,"detail":"Not found.","code":"not_found"}
}

func TestAMuxPanicsOnANilHandlerAsServeMuxDoes(t *testing.T) {
	mux := server.NewMux()
	assert.Panics(t, func() { mux.Handle("/a", nil) })
	assert.Panics(t, func() { mux.Handle("/b", http.HandlerFunc(nil)) })
	assert.Panics(t, func() { mux.HandleFunc("/c", nil) })
}

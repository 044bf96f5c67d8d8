package sanitize_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func TestGuard(t *testing.T) {
	g, err := sanitize.NewGuard(sanitize.GuardConfig{
		Limits: sanitize.Limits{MaxBody: 10, MaxQueryLen: 30, MaxPathLen: 40, MaxParams: 3},
		Logger: quiet(),
	})
	require.NoError(t, err)
	tests := []struct {
		desc, method, target, body string
		header                     http.Header
		status                     int
		code                       string
	}{
		{"a plain request", "GET", "/api/products/?page=1", "", nil, 200, ""},
		{"a path with escapes", "GET", "/caf%C3%A9/a%20b/..c/.d/e../...", "", nil, 200, ""},
		{"the server itself", "OPTIONS", "*", "", nil, 200, ""},
		{"a request without a body has any type", "DELETE", "/x", "", http.Header{"Content-Type": {"text/plain"}}, 200, ""},
		{"a JSON body", "POST", "/x", "{}", http.Header{"Content-Type": {"application/json"}}, 200, ""},
		{"NUL in the path", "GET", "/a%00b", "", nil, 400, "invalid_path"},
		{"a line feed in the path", "GET", "/a%0Ab", "", nil, 400, "invalid_path"},
		{"DEL in the path", "GET", "/a%7Fb", "", nil, 400, "invalid_path"},
		{"invalid UTF-8 in the path", "GET", "/a%FFb", "", nil, 400, "invalid_path"},
		{"overlong UTF-8 in the path", "GET", "/a%C0%AFb", "", nil, 400, "invalid_path"},
		{"a dot segment", "GET", "/a/../b", "", nil, 400, "invalid_path"},
		{"a single dot segment", "GET", "/a/./b", "", nil, 400, "invalid_path"},
		{"a dot segment at the end", "GET", "/a/..", "", nil, 400, "invalid_path"},
		{"an encoded dot segment", "GET", "/a/%2e%2E/b", "", nil, 400, "invalid_path"},
		{"an encoded slash", "GET", "/a%2Fb", "", nil, 400, "invalid_path"},
		{"an encoded slash in lower case", "GET", "/a/..%2fb", "", nil, 400, "invalid_path"},
		{"an encoded backslash", "GET", "/a%5C..%5Cb", "", nil, 400, "invalid_path"},
		{"a long path", "GET", "/" + strings.Repeat("a", 40), "", nil, 414, "uri_too_long"},
		{"a long query", "GET", "/?" + strings.Repeat("a", 31), "", nil, 414, "uri_too_long"},
		{"a bad escape in the query", "GET", "/?a=%", "", nil, 400, "invalid_query"},
		{"a semicolon in the query", "GET", "/?a=1;b=2", "", nil, 400, "invalid_query"},
		{"an encoded semicolon in the query", "GET", "/?a=1%3Bb", "", nil, 200, ""},
		{"invalid UTF-8 in the query", "GET", "/?a=%E2%82", "", nil, 400, "invalid_query"},
		{"NUL in the query", "GET", "/?a=%00", "", nil, 400, "invalid_query"},
		{"a line feed in a parameter name", "GET", "/?%0a=", "", nil, 400, "invalid_query"},
		{"too many parameters", "GET", "/?a&b&c&d", "", nil, 400, "invalid_query"},
		{"a large body", "POST", "/x", strings.Repeat("x", 11), http.Header{"Content-Type": {"application/json"}}, 413, "request_too_large"},
		{"a body of another type", "POST", "/x", "x", http.Header{"Content-Type": {"text/plain"}}, 415, "unsupported_media_type"},
		{"a body without a type", "POST", "/x", "x", nil, 415, "unsupported_media_type"},
		{"an encoded body", "POST", "/x", "x", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, 415, "unsupported_content_encoding"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			reached := false
			h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			r := httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.body))
			maps.Copy(r.Header, tt.header)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.status == 200, reached)
			err := g.Check(r)
			if tt.status == 200 {
				assert.NoError(t, err)
				return
			}
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			assert.Equal(t, tt.code, problem(t, err).Code)
		})
	}
}

func TestGuardBoundsABodyOfUnknownLength(t *testing.T) {
	g, err := sanitize.NewGuard(sanitize.GuardConfig{Limits: sanitize.Limits{MaxBody: 10}})
	require.NoError(t, err)
	h := g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.Len(t, body, 10)
		_, tooLarge := errors.AsType[*http.MaxBytesError](err)
		assert.True(t, tooLarge)
	}))
	r := post("application/json", strings.Repeat("x", 1000))
	r.ContentLength = -1
	before := r.Body
	h.ServeHTTP(httptest.NewRecorder(), r)
	assert.Equal(t, before, r.Body, "the caller's request was altered")
}

func TestGuardHooks(t *testing.T) {
	var log bytes.Buffer
	g, err := sanitize.NewGuard(sanitize.GuardConfig{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			assert.Equal(t, "invalid_path", problem(t, err).Code)
			w.WriteHeader(http.StatusTeapot)
		},
	})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	g.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a%0Aforged", nil))
	assert.Equal(t, http.StatusTeapot, w.Code)
	assert.Contains(t, log.String(), "event=input_validation_fail code=invalid_path status=400")
	assert.Equal(t, 1, strings.Count(log.String(), "\n"))
}

func TestZeroGuardRefuses(t *testing.T) {
	var g sanitize.Guard
	w := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") })).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusInternalServerError, w.Code)
}

func TestNewGuardReportsEveryMistake(t *testing.T) {
	_, err := sanitize.NewGuard(sanitize.GuardConfig{Limits: sanitize.Limits{MaxBody: -1, MaxPathLen: -1, ContentTypes: []string{"image/png", ""}}})
	assert.Equal(t, []string{"Limits.MaxBody: invalid: -1", "Limits.MaxPathLen: invalid: -1", "Limits.ContentTypes: invalid: "}, mistakes(err))
}

package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
)

func TestTheLayersWorkAroundGin(t *testing.T) {
	h, err := service(rampart.Proxies{Hops: 1})
	require.NoError(t, err)
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, "/hello", http.StatusOK, "hello\n"},
		{http.MethodGet, "/from", http.StatusOK, "198.51.100.7\n"},
		{http.MethodGet, "/nothing", http.StatusNotFound, "404 page not found"},
		{http.MethodPost, "/hello", http.StatusMethodNotAllowed, "405 method not allowed"},
		{http.MethodGet, "/panic", http.StatusInternalServerError, "internal_error"},
	} {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://localhost"+tt.path, nil)
			r.RemoteAddr = "10.0.0.1:1"
			r.Header.Set("X-Forwarded-For", "198.51.100.7")
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("Origin", "https://www.example.com")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
			assert.Contains(t, w.Body.String(), tt.body)
			for _, name := range []string{"Access-Control-Allow-Origin", "Content-Security-Policy", "Ratelimit"} {
				assert.Len(t, w.Header()[name], 1, name)
			}
		})
	}
}

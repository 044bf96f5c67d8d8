package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
)

func TestTheLayersWorkUnderChi(t *testing.T) {
	h, err := router(rampart.Proxies{Hops: 1})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "http://localhost/hello", nil)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("Origin", "https://www.example.com")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, "hello\n", w.Body.String())
	assert.Equal(t, "https://www.example.com", w.Header().Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	assert.NotEmpty(t, w.Header().Get("RateLimit"))
}

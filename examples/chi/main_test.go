package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheLayersWorkUnderChi(t *testing.T) {
	h, err := router()
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "http://localhost/hello", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Origin", "https://www.example.com")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, "hello\n", w.Body.String())
	assert.Equal(t, "https://www.example.com", w.Header().Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	assert.NotEmpty(t, w.Header().Get("RateLimit"))
}

package server

import (
	"net/http"
	"testing"
)

// HandlerOf returns what a Server for cfg gives net/http.
func HandlerOf(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s.srv.Handler
}

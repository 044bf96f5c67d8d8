package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/server"
)

func TestRequestIDKeepsOnlyAWellFormedIDOfATrustedPeer(t *testing.T) {
	trusting := server.RequestIDConfig{Proxies: rampart.Proxies{Prefixes: prefixes("10.0.0.0/8")}}
	tests := []struct {
		desc string
		cfg  server.RequestIDConfig
		peer string
		sent []string
		kept bool
	}{
		{"a trusted peer's id", trusting, "10.0.0.1:1", []string{"Abc-1_2.3"}, true},
		{"a stranger's id", trusting, "192.0.2.1:1", []string{"abc"}, false},
		{"nobody is trusted", server.RequestIDConfig{}, "10.0.0.1:1", []string{"abc"}, false},
		{"no id", trusting, "10.0.0.1:1", nil, false},
		{"an empty id", trusting, "10.0.0.1:1", []string{""}, false},
		{"two ids", trusting, "10.0.0.1:1", []string{"abc", "def"}, false},
		{"a line break", trusting, "10.0.0.1:1", []string{"a\nb"}, false},
		{"65 bytes", trusting, "10.0.0.1:1", []string{strings.Repeat("a", 65)}, false},
		{"64 bytes", trusting, "10.0.0.1:1", []string{strings.Repeat("a", 64)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			q, err := server.NewRequestID(tt.cfg)
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Request-Id"] = tt.sent
			var inside string
			w := httptest.NewRecorder()
			q.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				inside, _ = rampart.RequestIDFrom(r.Context())
			})).ServeHTTP(w, r)
			assert.Equal(t, inside, w.Header().Get("X-Request-ID"))
			if tt.kept {
				assert.Equal(t, tt.sent[0], inside)
			} else {
				assert.Regexp(t, `^[0-9a-f]{32}$`, inside)
			}
		})
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	h := new(server.RequestID).Handler(http.NotFoundHandler())
	for range 1000 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		seen[w.Header().Get("X-Request-ID")] = true
	}
	assert.Len(t, seen, 1000)
	_, ok := rampart.RequestIDFrom(t.Context())
	assert.False(t, ok)
}

func TestNewRequestIDReportsEveryMistake(t *testing.T) {
	_, err := server.NewRequestID(server.RequestIDConfig{Proxies: rampart.Proxies{Hops: 17}, Header: "a b"})
	assert.Equal(t, "Hops: invalid: \"17\"\nHeader: invalid: \"a b\"", conferrtest.Text(err))
	q, err := server.NewRequestID(server.RequestIDConfig{Header: "traceid"})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	q.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.NotEmpty(t, w.Header().Get("TraceID"))
}

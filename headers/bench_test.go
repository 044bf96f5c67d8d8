package headers_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/headers"
)

// discard is a response writer that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func benchmark(b *testing.B, cfg headers.Config, next http.HandlerFunc) {
	b.Helper()
	h, err := headers.New(cfg)
	require.NoError(b, err)
	handler := h.Handler(next)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.TLS = "api.example.com", &tls.ConnectionState{}
	w := &discard{make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(w, r)
	}
}

func withNonce() headers.Config {
	cfg := headers.Web("api.example.com")
	cfg.CSP.Script = []headers.Source{headers.WithNonce, headers.StrictDynamic}
	return cfg
}

func BenchmarkAPI(b *testing.B) {
	benchmark(b, headers.API("api.example.com"), func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
}

func BenchmarkAPITouched(b *testing.B) {
	json := []string{"application/json"}
	benchmark(b, headers.API("api.example.com"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = json
		w.WriteHeader(http.StatusOK)
	})
}

func BenchmarkWebNonce(b *testing.B) {
	benchmark(b, withNonce(), func(w http.ResponseWriter, r *http.Request) {
		if _, ok := headers.Nonce(r.Context()); !ok {
			b.Fatal("no nonce")
		}
		w.WriteHeader(http.StatusOK)
	})
}

func BenchmarkCheckRedirect(b *testing.B) {
	h, err := headers.New(headers.API("api.example.com"))
	require.NoError(b, err)
	r := httptest.NewRequest(http.MethodGet, "/a/b?c=d", nil)
	r.Host = "api.example.com"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Check(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCookie(b *testing.B) {
	benchmark(b, headers.Web("api.example.com"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"sid=0123456789abcdef; Path=/"}
		w.WriteHeader(http.StatusOK)
	})
}

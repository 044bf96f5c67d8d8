package cors_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ecolaura/rampart/cors"
)

// sink is a response writer that keeps nothing. Its map is emptied between
// requests.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}

func benchmark(b *testing.B, cfg cors.Config, requests ...*http.Request) {
	b.Helper()
	cfg.Logger = quiet()
	c, err := cors.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	h := c.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	w := sink{make(http.Header, 16)}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, requests[i])
		if i++; i == len(requests) {
			i = 0
		}
	}
}

func api() cors.Config {
	return cors.Config{
		Origins:         []string{"https://www.ecolaura.com", "https://admin.ecolaura.com"},
		Methods:         []string{"PUT", "PATCH", "DELETE"},
		RequestHeaders:  []string{"Authorization", "Content-Type", "X-API-Key"},
		ResponseHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-ID"},
	}
}

func get(origin string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://api.ecolaura.com/api/public/", nil)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return r
}

func preflight(origin, method string, headers ...string) *http.Request {
	r := get(origin)
	r.Method = http.MethodOptions
	r.Header.Set("Access-Control-Request-Method", method)
	if len(headers) > 0 {
		r.Header["Access-Control-Request-Headers"] = headers
	}
	return r
}

func BenchmarkActualAllowed(b *testing.B) { benchmark(b, api(), get("https://www.ecolaura.com")) }
func BenchmarkActualDenied(b *testing.B)  { benchmark(b, api(), get("https://evil.example")) }
func BenchmarkNoOrigin(b *testing.B)      { benchmark(b, api(), get("")) }

func BenchmarkPreflight(b *testing.B) {
	benchmark(b, api(), preflight("https://www.ecolaura.com", "PUT", "authorization,content-type"))
}

func BenchmarkPreflightDenied(b *testing.B) {
	benchmark(b, api(), preflight("https://evil.example", "PUT", "authorization,content-type"))
}

func BenchmarkPreflightHostileList(b *testing.B) {
	for name, list := range hostileLists() {
		b.Run(name, func(b *testing.B) { benchmark(b, api(), preflight("https://www.ecolaura.com", "PUT", list)) })
	}
}

// Exact origins and patterns of each kind, asked for in turn.
func BenchmarkOrigins(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		cfg, asked := api(), make([]*http.Request, 0, 10)
		cfg.Origins = tenants(n)
		for i := range 10 {
			asked = append(asked, get(oneOf(i)))
		}
		b.Run(fmt.Sprint(n, "/allowed"), func(b *testing.B) { benchmark(b, cfg, asked...) })
		b.Run(fmt.Sprint(n, "/denied"), func(b *testing.B) { benchmark(b, cfg, get("https://evil.shop.tx.example")) })
	}
}

package headers_test

import (
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/headers"
)

// requests returns n, or a hundredth of it outside `make bars`.
func requests(n int) int {
	if os.Getenv("RAMPART_BARS") == "" {
		return n / 100
	}
	return n
}

func TestAHandlerThatWritesIntoItsHeaderChangesNoOtherAnswer(t *testing.T) {
	cfg := headers.API("api.example.com")
	cfg.Extra = map[string]string{"X-One": "1", "X-Two": "2"} // more than a request carries inline
	h := newHeaders(t, cfg)
	route := newRoute(t, h, func(c *headers.Config) { c.Extra = map[string]string{"X-Three": "3"} })
	vandal := func(w http.ResponseWriter) {
		for name, lines := range w.Header() {
			lines[0] = "vandalized"
			lines = append(lines, "more")
			lines[len(lines)-1] = "and more"
			_ = w.Header()[name][:cap(w.Header()[name])]
		}
	}
	plain := h.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/vandal" {
			vandal(w)
		}
		w.WriteHeader(200)
		if r.URL.Path == "/vandal" {
			vandal(w)
		}
	}))
	routed := h.Handler(route(plainVandal(vandal)))
	wantPlain, wantRouted := apiSet(), apiSet()
	wantPlain["X-One"], wantPlain["X-Two"], wantRouted["X-Three"] = "1", "2", "3"

	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0) * 2
	for worker := range workers {
		wg.Go(func() {
			good, bad := over("https", "GET", "/"), over("https", "GET", "/vandal")
			for range requests(1_000_000) / workers {
				if worker%2 == 0 {
					w := &discard{make(http.Header)}
					plain.ServeHTTP(w, bad)
					routed.ServeHTTP(&discard{make(http.Header)}, bad)
					continue
				}
				w := &discard{make(http.Header)}
				plain.ServeHTTP(w, good)
				equalSet(t, wantPlain, w.header)
				w = &discard{make(http.Header)}
				routed.ServeHTTP(w, good)
				equalSet(t, wantRouted, w.header)
			}
		})
	}
	wg.Wait()
}

func plainVandal(vandal func(http.ResponseWriter)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/vandal" {
			vandal(w)
		}
		w.WriteHeader(200)
	})
}

// equalSet compares without the cost of assert.Equal for each header.
func equalSet(t *testing.T, want map[string]string, got http.Header) {
	t.Helper()
	for name, value := range want {
		if lines := got[name]; len(lines) != 1 || lines[0] != value {
			assert.Equal(t, []string{value}, got[name], name)
		}
	}
}

func TestANoncePerRequestUnderLoad(t *testing.T) {
	h := newHeaders(t, nonced()).Handler(page(1))
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				resp := answer(h, over("https", "GET", "/"))
				nonce := body(resp)
				assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "'nonce-"+nonce+"'")
				mu.Lock()
				assert.False(t, seen[nonce])
				seen[nonce] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

package cors_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
)

// behind returns a server whose handler is c over a reverse proxy of backend.
func behind(t *testing.T, c *cors.CORS, backend http.HandlerFunc) *httptest.Server {
	t.Helper()
	inner := httptest.NewServer(backend)
	t.Cleanup(inner.Close)
	target, err := url.Parse(inner.URL)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target) }}
	outer := httptest.NewServer(c.Handler(proxy))
	t.Cleanup(outer.Close)
	return outer
}

func ask(t *testing.T, server *httptest.Server, origin string) http.Header {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	resp, err := server.Client().Do(r)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return resp.Header
}

func corsOf(h http.Header) http.Header {
	got := http.Header{}
	for name, values := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			got[name] = values
		}
	}
	return got
}

func TestHeadersSurviveABackendWithItsOwn(t *testing.T) {
	backends := map[string]http.HandlerFunc{
		"a 103 wipes the proxy's header map": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
		},
		"CORS headers of the backend": func(w http.ResponseWriter, _ *http.Request) {
			for _, name := range []string{"Origin", "Credentials", "Methods", "Headers", "Private-Network"} {
				w.Header().Set("Access-Control-Allow-"+name, "*")
			}
			w.Header().Set("Access-Control-Expose-Headers", "*")
			w.Header().Set("Access-Control-Max-Age", "86400")
			w.Header().Set("Vary", "Accept")
		},
		"both": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Vary", "Accept, ORIGIN")
			_, _ = w.Write([]byte("hello"))
		},
	}
	bare := cors.Config{Origins: []string{"https://app.example.com"}}
	tests := []struct {
		desc   string
		cfg    cors.Config
		origin string
		want   http.Header
	}{
		{"allowed", full(), "https://app.example.com", http.Header{
			"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Expose-Headers": {"Etag, X-Total"},
		}},
		{"allowed, nothing else", bare, "https://app.example.com", http.Header{"Access-Control-Allow-Origin": {"https://app.example.com"}}},
		{"everybody", everybody(), "", http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Expose-Headers": {"*"}}},
		{"denied", full(), "https://evil.example", http.Header{}},
		{"no Origin", full(), "", http.Header{}},
	}
	for name, backend := range backends {
		for _, tt := range tests {
			t.Run(name+", "+tt.desc, func(t *testing.T) {
				h := ask(t, behind(t, mustNew(t, tt.cfg), backend), tt.origin)
				assert.Equal(t, tt.want, corsOf(h))
				if tt.desc != "everybody" {
					assert.Contains(t, varyOf(h), "origin")
				}
				if name != "a 103 wipes the proxy's header map" {
					assert.Contains(t, varyOf(h), "accept", "the backend's Vary stays")
				}
			})
		}
	}
}

func TestVaryIsAddedOnceAndReplacesNothing(t *testing.T) {
	tests := []struct {
		desc         string
		outer, inner []string
		want         []string
	}{
		{"an outer layer's", []string{"Accept-Encoding"}, nil, []string{"Accept-Encoding", "Origin"}},
		{"an outer layer's that names Origin", []string{"Accept, origin"}, nil, []string{"Accept, origin"}},
		{"an outer layer's that names all", []string{"*"}, nil, []string{"*"}},
		{"the handler's instead of ours", nil, []string{"Accept"}, []string{"Accept", "Origin"}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			c := mustNew(t, full())
			h := c.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.inner != nil {
					w.Header()["Vary"] = tt.inner
				}
			}))
			w := httptest.NewRecorder()
			if tt.outer != nil {
				w.Header()["Vary"] = slices.Clone(tt.outer)
			}
			h.ServeHTTP(w, lines{"Origin", "https://app.example.com"}.request(t, "GET"))
			assert.Equal(t, tt.want, w.Header()["Vary"])
		})
	}
	t.Run("an outer layer's on a preflight", func(t *testing.T) {
		c := mustNew(t, full())
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Accept-Encoding")
		c.Handler(http.NotFoundHandler()).ServeHTTP(w, asks("https://app.example.com", "PUT", "").request(t, "OPTIONS"))
		assert.Equal(t, []string{"Accept-Encoding", varyAll}, w.Header()["Vary"])
	})
	t.Run("an outer layer's own slice is not written", func(t *testing.T) {
		shared := make([]string, 1, 8)
		shared[0] = "Accept-Encoding"
		c := mustNew(t, full())
		w := httptest.NewRecorder()
		w.Header()["Vary"] = shared
		c.Handler(http.NotFoundHandler()).ServeHTTP(w, lines{"Origin", "https://app.example.com"}.request(t, "GET"))
		assert.Empty(t, shared[:2][1])
	})
}

// A handler that runs into a panic is answered by a layer outside this one,
// from the same header map.
func TestHeadersAreThereAfterAPanic(t *testing.T) {
	c := mustNew(t, full())
	h := c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") }))
	w := httptest.NewRecorder()
	func() {
		defer func() {
			_ = recover()
			w.WriteHeader(http.StatusInternalServerError)
		}()
		h.ServeHTTP(w, lines{"Origin", "https://app.example.com"}.request(t, "GET"))
	}()
	assert.Equal(t, "https://app.example.com", w.Header().Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "Origin", w.Header().Get("Vary"))
}

func TestTheWriterUnwraps(t *testing.T) {
	c := mustNew(t, full())
	for _, origin := range []string{"https://app.example.com", "https://evil.example"} {
		w := httptest.NewRecorder()
		c.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			assert.NoError(t, http.NewResponseController(w).Flush())
		})).ServeHTTP(w, lines{"Origin", origin}.request(t, "GET"))
		assert.True(t, w.Flushed)
	}
}

// One request's handler writes all over the slices of its header map while
// others are answered. Run with -race.
func TestNoSliceIsSharedBetweenRequests(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, values := range w.Header() {
			for i := range values {
				values[i] = "written inside"
			}
			_ = append(values, "appended inside")
		}
	})
	n := 2000
	if bars() {
		n = 1_000_000 / 8
	}
	private := full()
	private.PrivateNetwork = true
	for name, cfg := range map[string]cors.Config{"everybody": everybody(), "listed": private} {
		t.Run(name, func(t *testing.T) {
			h := mustNew(t, cfg).Handler(handler)
			requests := []*http.Request{
				lines{"Origin", "https://app.example.com"}.request(t, "GET"),
				lines{"Origin", "https://evil.example"}.request(t, "GET"),
				lines(nil).request(t, "GET"),
				asks("https://app.example.com", "PUT", "content-type").request(t, "OPTIONS"),
				asks("https://evil.example", "PUT", "content-type").request(t, "OPTIONS"),
			}
			var want []http.Header
			for _, r := range requests {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				want = append(want, w.Header().Clone())
			}
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					for i := range n {
						k := (g + i) % len(requests)
						r := requests[k].Clone(t.Context())
						w := httptest.NewRecorder()
						h.ServeHTTP(w, r)
						if !assert.Equal(t, want[k], w.Header()) {
							return
						}
						// An outer layer may write into them too, and into the request's.
						for _, values := range w.Header() {
							values[0] = "written outside"
						}
						for _, values := range r.Header {
							values[0] = "written outside"
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

package rampart_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

type layerFunc = func(http.Handler) http.Handler

// everyLayer returns each layer that serves a request, and the header that it wants.
func everyLayer(t *testing.T) (map[string]layerFunc, http.Header) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	both, token, key := credentials(t, log)
	verifier, _ := both[0].(*auth.Verifier)
	keys, _ := both[1].(*apikey.Keys)
	id, err := server.NewRequestID(server.RequestIDConfig{})
	require.NoError(t, err)
	client, err := server.NewClientIP(rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	require.NoError(t, err)
	cfg := headers.API("127.0.0.1:*")
	cfg.Logger = log
	browser, err := headers.New(cfg)
	require.NoError(t, err)
	origins, err := cors.New(cors.Config{Origins: []string{"https://a.example"}, Logger: log})
	require.NoError(t, err)
	limits, err := throttle.New(throttle.Config{Logger: log, Policies: []throttle.Policy{{
		Name: "all", Rate: throttle.Rate{Count: 1000, Period: time.Hour}, Key: throttle.By("one", func(*http.Request) string { return "one" }),
	}}})
	require.NoError(t, err)
	return map[string]layerFunc{
		"measured":        monitor.Requests(func(*http.Request, monitor.Request) {}),
		"request id":      id.Handler,
		"client address":  client.Handler,
		"headers":         browser.Handler,
		"cors":            origins.Handler,
		"throttle":        limits.Handler,
		"token":           verifier.Handler,
		"token, optional": verifier.Optional,
		"key, optional":   keys.Optional,
		"key":             func(next http.Handler) http.Handler { return with("X-Api-Key", key, keys.Handler(next)) },
		"anonymous":       func(next http.Handler) http.Handler { return with("Authorization", "", both.Optional(next)) },
	}, http.Header{"Authorization": {"Bearer " + token}}
}

// with sets a header field; "" takes it away.
func with(name, value string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

// all wraps every layer around next, one in the other.
func all(layers map[string]layerFunc) layerFunc {
	return func(next http.Handler) http.Handler {
		for _, name := range slices.Sorted(maps.Keys(layers)) {
			if name != "anonymous" {
				next = layers[name](next)
			}
		}
		return next
	}
}

// net/http removes the files of the request that it made, and of no copy.
func TestNoLayerLeavesTheFilesOfAnUpload(t *testing.T) {
	layers, header := everyLayer(t)
	layers["all of them"] = all(maps.Clone(layers))
	layers["none"] = func(next http.Handler) http.Handler { return next }
	for name, layer := range layers {
		t.Run(name, func(t *testing.T) { upload(t, layer, header, false, 0) })
		left := 0
		if name == "none" || name == "cors" || name == "throttle" {
			left = 1 // net/http leaves the file, and they make no copy of the request
		}
		t.Run(name+", a handler that panics", func(t *testing.T) { upload(t, layer, header, true, left) })
	}
}

// upload sends a file that is too large for memory and expects so many left.
func upload(t *testing.T, layer layerFunc, header http.Header, panics bool, left int) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "multipart-*"))
		require.NoError(t, err)
		return found
	}
	web := httptest.NewServer(layer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 10); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		if panics {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprint(w, len(files()))
	})))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("f", "x.bin")
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 1<<16))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL, &body)
	require.NoError(t, err)
	r.Header = header.Clone()
	r.Header.Set("Content-Type", form.FormDataContentType())
	res, err := http.DefaultClient.Do(r)
	if !panics {
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, "200 OK 1", res.Status+" "+string(text), "a file while the handler runs")
	}
	web.Close() // the response may come before the end of the request
	assert.Len(t, files(), left)
}

// A metrics layer further out reads the route that a mux further in has found.
func TestEveryLayerGivesBackTheRoute(t *testing.T) {
	layers, header := everyLayer(t)
	layers["all of them"] = all(maps.Clone(layers))
	for name, layer := range layers {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /orders/{id}/{rest...}", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			h := layer(mux)
			request := func(path string) *http.Request {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				r.Host, r.RemoteAddr, r.Header = "127.0.0.1:80", "127.0.0.1:9", header.Clone()
				return r
			}
			ask := func(path string) string {
				w, r := httptest.NewRecorder(), request(path)
				h.ServeHTTP(w, r)
				return strings.Join([]string{fmt.Sprint(w.Code), r.Pattern, r.PathValue("id"), r.PathValue("rest")}, "|")
			}
			assert.Equal(t, "200|GET /orders/{id}/{rest...}|7|a/b", ask("/orders/7/a/b"))
			assert.Equal(t, "200|GET /{$}||", ask("/"))
			r := request("/panic")
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(httptest.NewRecorder(), r) })
			assert.Equal(t, "GET /panic", r.Pattern, "a panic is counted to its route")
		})
	}
}

// A handler may ask itself the same thing several times at once.
func TestOneRequestGoesThroughALayerInSeveralGoroutines(t *testing.T) {
	layers, header := everyLayer(t)
	for name, layer := range layers {
		if name == "key" || name == "anonymous" { // they edit its header
			continue
		}
		t.Run(name, func(t *testing.T) {
			h := layer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_ = r.Pattern + r.PathValue("id")
			}))
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Host, r.RemoteAddr, r.Header, r.Pattern = "127.0.0.1:80", "127.0.0.1:9", header.Clone(), "GET /"
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					assert.Equal(t, http.StatusOK, w.Code)
				})
			}
			wg.Wait()
		})
	}
}

package headers_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func newRoute(tb testing.TB, h *headers.Headers, change func(*headers.Config)) func(http.Handler) http.Handler {
	tb.Helper()
	route, err := h.Route(change)
	require.NoError(tb, err)
	return route
}

func TestRoute(t *testing.T) {
	tests := []struct {
		desc   string
		cfg    headers.Config
		change func(*headers.Config)
		want   func(set map[string]string) // edits the layer's set; "" = missing
		web    bool
	}{
		{"a header dropped", headers.API("api.example.com"), func(c *headers.Config) { c.CacheControl = headers.Off }, func(s map[string]string) { s["Cache-Control"] = "" }, false},
		{"a header changed", headers.API("api.example.com"), func(c *headers.Config) { c.CacheControl = "public, max-age=3600" }, func(s map[string]string) { s["Cache-Control"] = "public, max-age=3600" }, false},
		{"one list of the preset's policy changed", headers.Config{AllowedHosts: []string{"api.example.com"}}, func(c *headers.Config) { c.CSP.Img = sources{headers.Data} }, func(s map[string]string) {
			s["Content-Security-Policy"] = "default-src 'none'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
		}, false},
		{"another preset", headers.Config{AllowedHosts: []string{"api.example.com"}}, func(c *headers.Config) { c.Preset = headers.PresetWeb }, func(s map[string]string) {
			clear(s)
			maps.Copy(s, webSet())
			s["Cache-Control"] = ""
		}, false},
		{"another preset, but what the Config set stays", headers.Config{AllowedHosts: []string{"api.example.com"}, ReferrerPolicy: "origin"}, func(c *headers.Config) { c.Preset = headers.PresetWeb }, func(s map[string]string) {
			clear(s)
			maps.Copy(s, webSet())
			s["Referrer-Policy"] = "origin"
		}, false},
		{"a header more", headers.Web("api.example.com"), func(c *headers.Config) { c.Extra = map[string]string{"X-Robots-Tag": "none"} }, func(s map[string]string) { s["X-Robots-Tag"] = "none" }, true},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			h := newHeaders(t, tt.cfg)
			route := newRoute(t, h, tt.change)
			want := apiSet()
			if tt.web {
				want = webSet()
			}
			tt.want(want)
			inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Del("Referrer-Policy") // comes back: the set is whole below the route too
			})
			for desc, handler := range map[string]http.Handler{"inside": h.Handler(route(inner)), "alone": route(inner)} {
				got := answer(handler, over("https", "GET", "/")).Header
				for name, value := range want {
					if value == "" {
						assert.NotContains(t, got, name, desc)
					} else {
						assert.Equal(t, []string{value}, got[name], desc+" "+name)
					}
				}
			}
		})
	}
}

func TestRouteAloneJudgesHostAndScheme(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com"))
	other := newHeaders(t, headers.API("api.example.com", "evil.example"))
	route := newRoute(t, h, func(c *headers.Config) { c.FrameOptions = "SAMEORIGIN" })
	r := over("https", "GET", "/")
	r.Host = "evil.example"
	assert.Equal(t, 400, answer(route(never(t)), r).StatusCode)
	assert.Equal(t, 400, answer(other.Handler(route(never(t))), r).StatusCode, "another layer's verdict is not ours")
	assert.Equal(t, 308, answer(route(never(t)), over("http", "GET", "/")).StatusCode)
}

func TestRouteLeavesWhatALayerInBetweenSet(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com"))
	route := newRoute(t, h, func(c *headers.Config) { c.CacheControl, c.FrameOptions = "public", "SAMEORIGIN" })
	between := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "private")
			next.ServeHTTP(w, r)
		})
	}
	got := answer(h.Handler(between(route(http.HandlerFunc(ok)))), over("https", "GET", "/")).Header
	assert.Equal(t, []string{"private"}, got["Cache-Control"])
	assert.Equal(t, []string{"SAMEORIGIN"}, got["X-Frame-Options"])
}

func TestARouteAfterEarlyHintsIsWhatTheFinalResponseHas(t *testing.T) {
	cfg := headers.API("127.0.0.1:*")
	cfg.DangerouslyAllowHTTP = true
	h := newHeaders(t, cfg)
	route := newRoute(t, h, func(c *headers.Config) { c.CSP.Sandbox, c.CacheControl = []string{}, "no-store, private" })
	page := route(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	web := httptest.NewServer(h.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		page.ServeHTTP(w, r)
	})))
	defer web.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "no-store, private", resp.Header.Get("Cache-Control"))
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "sandbox")
}

func TestRouteNonce(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com"))
	route := newRoute(t, h, func(c *headers.Config) {
		c.Preset = headers.PresetWeb
		c.CSP = &headers.CSP{Default: sources{headers.None}, Script: sources{headers.WithNonce}}
	})
	resp := answer(h.Handler(route(page(1))), over("https", "GET", "/"))
	assert.Equal(t, "default-src 'none'; script-src 'nonce-"+body(resp)+"'", resp.Header.Get("Content-Security-Policy"))
}

func TestRouteMistakes(t *testing.T) {
	cfg := headers.API("api.example.com")
	cfg.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {}
	h := newHeaders(t, cfg)
	_, err := h.Route(nil)
	assert.Equal(t, "change: missing", conferrtest.Text(err))
	_, err = h.Route(func(c *headers.Config) {
		c.AllowedHosts = append(c.AllowedHosts, "evil.example")
		c.DangerouslyAllowHTTP = true
		c.HSTS.Off = true
		c.Cookies.Off = true
		c.ErrorHandler = nil
		c.Logger = nil
		c.FrameOptions = "x"
	})
	require.Error(t, err)
	assert.Equal(t, strings.Split("AllowedHosts HSTS Cookies DangerouslyAllowHTTP ErrorHandler Logger FrameOptions", " "), func() (fields []string) {
		for m := range rampart.Mistakes(err) {
			fields = append(fields, m.Field)
		}
		return fields
	}())
}

func TestReconfigure(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com"))
	route := newRoute(t, h, func(c *headers.Config) { c.CacheControl = "public" })
	handler := h.Handler(route(http.HandlerFunc(ok)))
	get := func() http.Header { return answer(handler, over("https", "GET", "/")).Header }
	assert.Equal(t, "DENY", get().Get("X-Frame-Options"))

	err := h.Reconfigure(headers.Config{AllowedHosts: []string{"*"}, FrameOptions: "x"})
	assert.Error(t, err)
	assert.Equal(t, "DENY", get().Get("X-Frame-Options"), "the old configuration stays")

	next := headers.API("api.example.com")
	next.FrameOptions = "SAMEORIGIN"
	require.NoError(t, h.Reconfigure(next))
	assert.Equal(t, "SAMEORIGIN", get().Get("X-Frame-Options"))
	assert.Equal(t, "public", get().Get("Cache-Control"), "routes are compiled anew")

	other := headers.API("other.example")
	other.Logger = silent()
	require.NoError(t, h.Reconfigure(other))
	assert.Equal(t, 400, answer(handler, over("https", "GET", "/")).StatusCode)
}

func TestReconfigureThatBreaksARouteChangesNothing(t *testing.T) {
	cfg := headers.API("api.example.com")
	cfg.ReportingEndpoints = map[string]string{"main": "/r"}
	h := newHeaders(t, cfg)
	newRoute(t, h, func(c *headers.Config) { c.CSP.ReportTo = "main" })
	next := headers.API("api.example.com")
	next.FrameOptions = "SAMEORIGIN"
	assert.EqualError(t, h.Reconfigure(next), `headers.Headers.Route.CSP.ReportTo: conflict "main": add the endpoint of this name to ReportingEndpoints`)
	assert.Equal(t, "DENY", answer(h.Handler(http.HandlerFunc(ok)), over("https", "GET", "/")).Header.Get("X-Frame-Options"))
}

func TestReconfigureChangesTheLogger(t *testing.T) {
	var first, second bytes.Buffer
	cfg := headers.API("api.example.com")
	cfg.Logger = slog.New(slog.NewTextHandler(&first, nil))
	h := newHeaders(t, cfg)
	r := over("https", "GET", "/")
	r.Host = "evil.example"
	answer(h.Handler(never(t)), r)
	cfg.Logger = slog.New(slog.NewTextHandler(&second, nil))
	require.NoError(t, h.Reconfigure(cfg))
	answer(h.Handler(never(t)), r)
	assert.Equal(t, 1, strings.Count(first.String(), "event=malicious_host"))
	assert.Equal(t, 1, strings.Count(second.String(), "event=malicious_host"))
}

func TestReconfigureUnderLoad(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com"))
	handler := h.Handler(newRoute(t, h, func(c *headers.Config) { c.ReferrerPolicy = "origin" })(http.HandlerFunc(ok)))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := answer(handler, over("https", "GET", "/")).Header
				assert.Contains(t, []string{"DENY", "SAMEORIGIN"}, got.Get("X-Frame-Options"))
				assert.Equal(t, "origin", got.Get("Referrer-Policy"))
			}
		})
	}
	for i := range 50 {
		cfg := headers.API("api.example.com")
		cfg.Logger = silent()
		if i%2 == 0 {
			cfg.FrameOptions = "SAMEORIGIN"
		}
		require.NoError(t, h.Reconfigure(cfg))
	}
	close(stop)
	wg.Wait()
}

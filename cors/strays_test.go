package cors_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
)

// widen sets what would open an answer to every page.
func widen(h http.Header) {
	h["Access-Control-Allow-Origin"] = []string{"*"}
	h["Access-Control-Allow-Credentials"] = []string{"true"}
	h["Access-Control-Expose-Headers"] = []string{"X-Secret"}
	h["Access-Control-Max-Age"] = []string{"86400"}
}

// onTheWire returns the CORS headers as a client reads them, without case.
func onTheWire(h http.Header) http.Header {
	got := http.Header{}
	for name, values := range h {
		if name = http.CanonicalHeaderKey(name); strings.HasPrefix(name, "Access-Control-") {
			got[name] = append(got[name], values...)
		}
	}
	return got
}

func TestNoWayOfSettingAHeaderWidensTheAnswer(t *testing.T) {
	lowered := func(h http.Header) {
		widen(h)
		for name := range corsOf(h) {
			h[strings.ToLower(name)] = h[name]
			h["ACCESS"+name[len("Access"):]] = h[name]
			delete(h, name)
		}
	}
	ways := map[string]struct {
		outside func(h http.Header)
		next    http.HandlerFunc
	}{
		"the header map":         {nil, func(w http.ResponseWriter, _ *http.Request) { widen(w.Header()) }},
		"names in other letters": {nil, func(w http.ResponseWriter, _ *http.Request) { lowered(w.Header()) }},
		"the unwrapped writer": {nil, func(w http.ResponseWriter, _ *http.Request) {
			u, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if assert.True(t, ok) {
				widen(u.Unwrap().Header())
			}
		}},
		"an outer layer, and a handler that does not look":      {widen, func(http.ResponseWriter, *http.Request) {}},
		"an outer layer, and a handler that sets its own":       {widen, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "b") }},
		"an outer layer's names in other letters, and a looker": {lowered, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "b") }},
	}
	bare := full()
	bare.Credentials, bare.ResponseHeaders = false, nil
	refusing := full()
	refusing.Enforce = true
	own := refusing
	own.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		widen(w.Header())
		w.WriteHeader(http.StatusForbidden)
	}
	allowed := http.Header{
		"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Credentials": {"true"},
		"Access-Control-Expose-Headers": {"Etag, X-Total"},
	}
	requests := []struct {
		desc   string
		cfg    cors.Config
		method string
		lines  lines
		want   http.Header
	}{
		{"no Origin", full(), "GET", nil, http.Header{}},
		{"denied", full(), "GET", lines{"Origin", "https://evil.example"}, http.Header{}},
		{"denied and refused", refusing, "GET", lines{"Origin", "https://evil.example"}, http.Header{}},
		{"denied and refused by a handler of one's own", own, "GET", lines{"Origin", "https://evil.example"}, http.Header{}},
		{"allowed", full(), "GET", lines{"Origin", "https://app.example.com"}, allowed},
		{"allowed without credentials", bare, "GET", lines{"Origin", "https://app.example.com"}, http.Header{"Access-Control-Allow-Origin": {"https://app.example.com"}}},
		{"a preflight, denied", full(), "OPTIONS", asks("https://evil.example", "PUT", ""), http.Header{}},
		{"a preflight, refused by a handler of one's own", own, "OPTIONS", asks("https://evil.example", "PUT", ""), http.Header{}},
		{"a preflight without credentials", bare, "OPTIONS", asks("https://app.example.com", "GET", ""), http.Header{
			"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Max-Age": {"600"},
		}},
	}
	for name, way := range ways {
		for _, tt := range requests {
			if tt.lines == nil && name != "the header map" && name != "the unwrapped writer" {
				continue // without Origin no browser goes by them, so nobody searches
			}
			t.Run(name+", "+tt.desc, func(t *testing.T) {
				h := mustNew(t, tt.cfg).Handler(way.next)
				w := httptest.NewRecorder()
				if way.outside != nil {
					way.outside(w.Header())
				}
				h.ServeHTTP(w, tt.lines.request(t, tt.method))
				assert.Equal(t, tt.want, onTheWire(w.Header()))
			})
		}
	}
}

func TestAPanicOfTheErrorHandlerLeavesNoCORSHeaderBehind(t *testing.T) {
	cfg := full()
	cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		widen(w.Header())
		panic("a bug")
	}
	h := mustNew(t, cfg).Handler(http.NotFoundHandler())
	w := httptest.NewRecorder()
	assert.Panics(t, func() { h.ServeHTTP(w, asks("https://evil.example", "PUT", "").request(t, "OPTIONS")) })
	assert.Empty(t, corsOf(w.Header()))
}

// httputil.ReverseProxy adds the backend's header after it has hijacked.
func TestAProtocolSwitchBehindAReverseProxyIsNotWidened(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		widen(w.Header())
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
		assert.NoError(t, w.Header().Write(rw))
		fmt.Fprint(rw, "\r\n")
		assert.NoError(t, rw.Flush())
	}))
	defer inner.Close()
	target, err := url.Parse(inner.URL)
	require.NoError(t, err)
	outer := httptest.NewServer(mustNew(t, full()).Handler(httputil.NewSingleHostReverseProxy(target)))
	defer outer.Close()
	for origin, want := range map[string]http.Header{
		"https://evil.example": {},
		"https://app.example.com": {
			"Access-Control-Allow-Origin": {"https://app.example.com"}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Expose-Headers": {"Etag, X-Total"},
		},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, outer.URL, nil)
		require.NoError(t, err)
		r.Header.Set("Origin", origin)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		resp, err := outer.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		assert.Equal(t, want, corsOf(resp.Header), origin)
		assert.Contains(t, varyOf(resp.Header), "origin")
	}
}

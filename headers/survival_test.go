package headers_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
)

// exchange sends one request over TLS and returns everything that came back,
// informational answers included.
func exchange(t *testing.T, next http.Handler, request string) string {
	t.Helper()
	srv := httptest.NewTLSServer(newHeaders(t, headers.API("127.0.0.1:*")).Handler(next))
	defer srv.Close()
	conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, request+"Host: 127.0.0.1\r\nConnection: close\r\n\r\n")
	return readAll(t, conn)
}

func TestInformationalAnswersPass(t *testing.T) {
	answer := exchange(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		w.Header().Del("Link")
		w.WriteHeader(200)
	}), "GET / HTTP/1.1\r\n")
	assert.True(t, strings.HasPrefix(answer, "HTTP/1.1 103 Early Hints\r\n"), answer)
	assert.Contains(t, answer, "HTTP/1.1 200 OK\r\n")
}

// net/http writes the whole map with a 103, and RFC 6265 section 3 lets user
// agents take a cookie from it.
func TestAnInformationalAnswerShowsNothingThatTheFinalOneWouldNot(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 2 { // ReverseProxy empties the map after each
			worsen(w.Header())
			w.WriteHeader(103)
		}
		fmt.Fprint(w, "x")
	}))
	defer backend.Close()
	answers := strings.SplitAfter(exchange(t, proxyTo(t, backend), "GET / HTTP/1.1\r\n"), "\r\n\r\n")
	require.Len(t, answers, 4, "two hints, a header and a body")
	for i, head := range answers[:3] {
		for _, unwanted := range []string{"Server:", "X-Powered-By:", "X-Frame-Options: worse", "Set-Cookie: sid=1\r\n"} {
			assert.NotContains(t, head, unwanted, i)
		}
		assert.Contains(t, head, "X-Frame-Options: DENY\r\n", i)
		assert.Contains(t, head, "Set-Cookie: sid=1; Secure; HttpOnly; SameSite=Lax\r\n", i)
	}
}

func TestAHandlerThatSendsHintsKeepsTheHeadersOfItsOwnAnswer(t *testing.T) {
	for desc, next := range map[string]http.HandlerFunc{
		"set before": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Frame-Options", "SAMEORIGIN")
			w.Header().Set("Cache-Control", "private, max-age=60")
			w.WriteHeader(103)
		},
		"set after": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.Header().Set("X-Frame-Options", "SAMEORIGIN")
			w.Header().Set("Cache-Control", "private, max-age=60")
		},
		"set between, the rest deleted": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.Header().Set("X-Frame-Options", "SAMEORIGIN")
			for name := range apiSet() {
				if name != "X-Frame-Options" && name != "Referrer-Policy" {
					w.Header().Del(name)
				}
			}
			w.WriteHeader(103)
			w.Header().Set("Cache-Control", "private, max-age=60")
		},
		"every value set as it was, before": func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range apiSet() {
				w.Header().Set(name, value)
			}
			w.Header().Set("X-Frame-Options", "SAMEORIGIN")
			w.Header().Set("Cache-Control", "private, max-age=60")
			w.WriteHeader(103)
		},
	} {
		t.Run(desc, func(t *testing.T) {
			want := apiSet()
			want["X-Frame-Options"], want["Cache-Control"] = "SAMEORIGIN", "private, max-age=60"
			assertSet(t, want, kind{next: next}.ask(t, newHeaders(t, headers.API("127.0.0.1:*"))).Header)
		})
	}
}

func TestABackends103DoesNotWipeTheHeadersOfARoute(t *testing.T) {
	h := newHeaders(t, headers.API("127.0.0.1:*"))
	route := newRoute(t, h, func(c *headers.Config) {
		c.FrameOptions = "SAMEORIGIN"
		c.Extra = map[string]string{"X-One": "1", "X-Two": "2"} // more than a request carries inline
	})
	want := apiSet()
	want["X-Frame-Options"], want["X-One"], want["X-Two"] = "SAMEORIGIN", "1", "2"
	delete(want, "Content-Security-Policy") // two lines, see the kinds
	assertSet(t, want, kind{next: route(proxy(t, true))}.ask(t, h).Header)
}

// Each layer of a chain sees the connection hijacked before httputil.ReverseProxy
// adds the backend's header.
func TestAProtocolSwitchKeepsTheHeadersOfEveryLayer(t *testing.T) {
	id, err := server.NewRequestID(server.RequestIDConfig{})
	require.NoError(t, err)
	access, err := cors.New(cors.Config{Origins: []string{"https://app.example.com"}, Logger: silent()})
	require.NoError(t, err)
	backend := switching(t, func(h http.Header) {
		worsen(h)
		h.Set("X-Request-ID", "backend")
		h.Set("Access-Control-Allow-Origin", "*")
	})
	h := newHeaders(t, headers.API("127.0.0.1:*"))
	srv := httptest.NewTLSServer(id.Handler(h.Handler(access.Handler(backend))))
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
	require.NoError(t, err)
	upgrading(r)
	r.Header.Set("Origin", "https://evil.example")
	resp, err := srv.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	want := apiSet()
	delete(want, "Content-Security-Policy") // two lines, see the kinds
	assertSet(t, want, resp.Header)
	require.Len(t, resp.Header["X-Request-Id"], 1)
	assert.NotEqual(t, "backend", resp.Header.Get("X-Request-Id"))
	assert.Empty(t, resp.Header["Access-Control-Allow-Origin"])
	assert.Equal(t, []string{"Origin"}, resp.Header["Vary"])
}

func TestARouteKeepsWhatALayerBeforeItWroteInPlace(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com"))
	route := newRoute(t, h, func(c *headers.Config) { c.CacheControl = "private" })
	between := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, lines := range w.Header() {
			lines[0] += " of its own"
		}
		route(http.HandlerFunc(ok)).ServeHTTP(w, r)
	})
	want := apiSet()
	for name := range want {
		want[name] += " of its own"
	}
	assertSet(t, want, answer(h.Handler(between), over("https", "GET", "/")).Header)
}

// net/http writes a name as it stands in the map, and the client reads it
// without case.
func TestNamesInOtherLettersDoNotGetPast(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/deleted" {
			clear(w.Header())
		}
		w.Header()["set-cookie"] = []string{"sid=1"}
		w.Header()["SET-COOKIE"] = []string{"lang=de"}
		w.Header()["x-frame-options"] = []string{"ALLOWALL"}
		w.Header()["X-content-type-options"] = []string{"sniff"}
		w.Header()["content-security-policy"] = []string{"script-src 'none'"}
		w.Header()["server"] = []string{"x"}
		w.Header()["x-POWERED-by"] = []string{"x"}
		w.Header()["SOAPAction"] = []string{"an old client insists"}
	})
	for _, path := range []string{"/", "/deleted"} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprint(path, " HTTP/2 ", http2), func(t *testing.T) {
				k := kind{next: next, http2: http2, edit: func(r *http.Request) { r.URL.Path = path }}
				h := k.ask(t, newHeaders(t, headers.API("127.0.0.1:*"))).Header
				want := apiSet()
				delete(want, "Content-Security-Policy")
				assertSet(t, want, h)
				assert.Equal(t, []string{apiSet()["Content-Security-Policy"], "script-src 'none'"}, h["Content-Security-Policy"])
				assert.ElementsMatch(t, []string{"sid=1; Secure; HttpOnly; SameSite=Lax", "lang=de; Secure; HttpOnly; SameSite=Lax"}, h["Set-Cookie"])
				assert.Empty(t, h["Server"])
				assert.Empty(t, h["X-Powered-By"])
			})
		}
	}
	w := httptest.NewRecorder()
	newHeaders(t, headers.API("api.example.com")).Handler(next).ServeHTTP(w, over("https", "GET", "/"))
	assert.Contains(t, w.Header(), "SOAPAction", "names that are nothing of ours stay as they are")
}

// What most answers of a chain carry must not hide what one carries beside it.
func TestUsualHeadersHideNothing(t *testing.T) {
	cfg := headers.API("api.example.com")
	cfg.Extra = map[string]string{"RateLimit": "none"}
	cfg.Remove = []string{"X-Request-ID", "Server"}
	h := newHeaders(t, cfg).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Content-Type", "Content-Length", "Vary", "X-Request-ID", "Access-Control-Allow-Origin", "RateLimit-Policy"} {
			w.Header().Set(name, "0")
		}
		if name := r.URL.Path[1:]; name != "" {
			w.Header()[name] = []string{"sid=1"}
		}
	}))
	for _, name := range []string{"", "server", "set-cookie", "Set-Cookie", "X-Other"} {
		got := answer(h, over("https", "GET", "/"+name)).Header
		assert.NotContains(t, got, "X-Request-Id", name)
		assert.NotContains(t, got, "server", name)
		assert.NotContains(t, got, "set-cookie", name)
		assert.Equal(t, []string{"none"}, got["Ratelimit"], name)
		if strings.EqualFold(name, "set-cookie") {
			assert.Equal(t, []string{"sid=1; Secure; HttpOnly; SameSite=Lax"}, got["Set-Cookie"], name)
		}
	}
}

func TestADroppedCookieIsReportedWithTheIDOfItsRequest(t *testing.T) {
	id, err := server.NewRequestID(server.RequestIDConfig{})
	require.NoError(t, err)
	var log bytes.Buffer
	cfg := headers.API("api.example.com")
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	h := id.Handler(newHeaders(t, cfg).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "a=b; Domain=other.example")
	})))
	resp := answer(h, over("https", "GET", "/"))
	assert.Contains(t, log.String(), "event=sys_cookie_dropped")
	assert.Contains(t, log.String(), "request_id="+resp.Header.Get("X-Request-ID"))
}

package headers_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
)

// kind is one way in which an answer comes about.
type kind struct {
	desc    string
	next    http.Handler
	status  int
	edit    func(r *http.Request)
	plain   bool // over http
	http2   bool
	proxied bool // by a backend with a policy of its own
	outside bool // a recover stands around the layer
}

func kinds(t *testing.T) []kind {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "page.html"), []byte("<p>hello, files</p>"), 0o600))
	files := http.FileServer(http.Dir(dir))
	mux := server.NewMux()
	mux.HandleFunc("GET /tree/", ok)
	std := http.NewServeMux()
	std.HandleFunc("GET /tree/", ok)
	get := func(path string) func(*http.Request) { return func(r *http.Request) { r.URL.Path = path } }
	serve := func(f http.HandlerFunc) http.Handler { return f }
	refuse := func(status int) http.Handler { return &rampart.Problem{Status: status, Code: "no"} }
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	return []kind{
		{desc: "a handler's Write", next: serve(ok), status: 200},
		{desc: "a handler that writes nothing", next: serve(func(http.ResponseWriter, *http.Request) {}), status: 200},
		{desc: "no content", next: serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }), status: 204},
		{desc: "HEAD", next: serve(ok), status: 200, edit: func(r *http.Request) { r.Method = "HEAD" }},
		{desc: "a string written", next: serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }), status: 200},
		{desc: "a reader copied", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
		}), status: 200},
		{desc: "not modified", next: serve(func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", date, strings.NewReader("x"))
		}), status: 304, edit: func(r *http.Request) { r.Header.Set("If-Modified-Since", date.Format(http.TimeFormat)) }},
		{desc: "http.Error", next: serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }), status: 500},
		{desc: "http.NotFound", next: http.NotFoundHandler(), status: 404},
		{desc: "ServeMux not found", next: std, status: 404},
		{desc: "ServeMux method not allowed", next: std, status: 405, edit: func(r *http.Request) { r.Method, r.URL.Path = "PUT", "/tree/" }},
		{desc: "ServeMux redirect", next: std, status: 307, edit: get("/tree")},
		{desc: "server.Mux not found", next: mux, status: 404},
		{desc: "server.Mux method not allowed", next: mux, status: 405, edit: func(r *http.Request) { r.Method, r.URL.Path = "PUT", "/tree/" }},
		{desc: "FileServer", next: files, status: 200, edit: get("/page.html")},
		{desc: "FileServer not found", next: files, status: 404, edit: get("/none.html")},
		{desc: "FileServer range", next: files, status: 206, edit: func(r *http.Request) { get("/page.html")(r); r.Header.Set("Range", "bytes=1-2") }},
		{desc: "FileServer bad range", next: files, status: 416, edit: func(r *http.Request) { get("/page.html")(r); r.Header.Set("Range", "bytes=99-") }},
		{desc: "http.Redirect", next: http.RedirectHandler("/elsewhere", http.StatusFound), status: 302},
		{desc: "a preflight answered inside", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example.com")
			w.WriteHeader(204)
		}), status: 204, edit: func(r *http.Request) { r.Method = "OPTIONS" }},
		{desc: "a refusal 401", next: refuse(401), status: 401},
		{desc: "a refusal 429", next: refuse(429), status: 429},
		{desc: "a refusal 503", next: refuse(503), status: 503},
		{desc: "a bad host", next: never(t), status: 400, edit: func(r *http.Request) { r.Host = "evil.example" }},
		{desc: "the redirect to https", next: never(t), status: 308, plain: true},
		{desc: "the refusal of plain http", next: never(t), status: 403, plain: true, edit: func(r *http.Request) { r.Header.Set("Authorization", "x") }},
		{desc: "a panic recovered outside", next: serve(func(http.ResponseWriter, *http.Request) { panic("boom") }), status: 500, outside: true},
		{desc: "a panic after headers were cleared", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			clear(w.Header())
			w.Header().Add("X-Frame-Options", "a")
			w.Header().Add("X-Frame-Options", "b")
			panic("boom")
		}), status: 500, outside: true},
		{desc: "ReverseProxy, a backend with headers of its own", next: proxy(t, false), status: 200, proxied: true},
		{desc: "ReverseProxy after a backend's 103", next: proxy(t, true), status: 200, proxied: true},
		{desc: "ReverseProxy, a protocol switch", next: switching(t, worsen), status: 101, proxied: true, edit: upgrading},
		{desc: "ReverseProxy, backend down", next: deadProxy(t), status: 502},
		{desc: "HTTP/2", next: serve(ok), status: 200, http2: true},
		{desc: "HTTP/2 after early hints", next: serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) }), status: 201, http2: true},
		{desc: "early hints, then nothing", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			clear(w.Header())
		}), status: 200},
		{desc: "a panic after early hints", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			clear(w.Header())
			w.Header().Set("X-Frame-Options", "worse")
			panic("boom")
		}), status: 500, outside: true},
		{desc: "a status that net/http refuses", next: serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(42) }), status: 500, outside: true},
		{desc: "trailers named like the set", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Frame-Options, Content-Security-Policy")
			w.Header().Del("X-Frame-Options")
			fmt.Fprint(w, "x")
			w.Header().Set("X-Frame-Options", "worse")
		}), status: 200},
		{desc: "a Flusher", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			clear(w.Header())
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "late")
		}), status: 200},
		{desc: "a ResponseController's Flush", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			clear(w.Header())
			assert.NoError(t, http.NewResponseController(w).Flush())
		}), status: 200},
		{desc: "a hijacked answer", next: serve(hijack(t)), status: 418},
		{desc: "http.TimeoutHandler", next: http.TimeoutHandler(serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), time.Millisecond, "late"), status: 503},
		{desc: "http.TimeoutHandler, in time", next: http.TimeoutHandler(serve(ok), time.Hour, "late"), status: 200},
		{desc: "a body over MaxBytesHandler's limit", next: http.MaxBytesHandler(serve(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
				http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			}
		}), 2), status: 413, edit: func(r *http.Request) {
			r.Method, r.Body, r.ContentLength = "POST", io.NopCloser(strings.NewReader("abc")), 3
		}},
		{desc: "a handler that deletes and doubles", next: serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("Cross-Origin-Resource-Policy")
			w.Header().Set("Referrer-Policy", "")
			w.Header().Set("Origin-Agent-Cluster", " \t")
			w.Header()["Content-Security-Policy"] = []string{"", "\r\n"}
			w.Header().Add("X-Frame-Options", "ALLOWALL")
			w.Header().Add("X-Content-Type-Options", "sniff")
			w.Header().Add("Strict-Transport-Security", "max-age=0")
			w.Header()["Permissions-Policy"] = nil
		}), status: 200},
	}
}

// proxy passes on to a backend that sets the same headers, worse.
func proxy(t *testing.T, hints bool) http.Handler {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if hints {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(103)
		}
		worsen(w.Header())
		fmt.Fprint(w, "from behind")
	}))
	t.Cleanup(backend.Close)
	return proxyTo(t, backend)
}

// worsen sets what a backend with a policy of its own may. One value is equal
// to ours: nosniff is Django's default too.
func worsen(h http.Header) {
	for name := range apiSet() {
		h.Set(name, "worse")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server", "backend/1.0")
	h.Set("X-Powered-By", "backend")
	h.Set("Set-Cookie", "sid=1")
}

// switching passes on to a backend that switches protocols, and then hangs up.
func switching(t *testing.T, set func(http.Header)) http.Handler {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		set(w.Header())
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
	t.Cleanup(backend.Close)
	return proxyTo(t, backend)
}

// upgrading makes r ask for the switch.
func upgrading(r *http.Request) {
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
}

func proxyTo(t *testing.T, backend *httptest.Server) http.Handler {
	t.Helper()
	u, err := url.Parse(backend.URL)
	require.NoError(t, err)
	return httputil.NewSingleHostReverseProxy(u)
}

func deadProxy(t *testing.T) http.Handler {
	t.Helper()
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(502) }
	return p
}

func hijack(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("X-Frame-Options")
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\nConnection: close\r\n")
		assert.NoError(t, w.Header().Write(rw))
		fmt.Fprint(rw, "\r\n")
		assert.NoError(t, rw.Flush())
	}
}

func TestEveryKindOfAnswerCarriesTheWholeSet(t *testing.T) {
	nonced := headers.Web()
	nonced.CSP.Script = []headers.Source{headers.WithNonce}
	noncedSet := webSet()
	noncedSet["Content-Security-Policy"] = "default-src 'self'; script-src 'none'; script-src-attr 'none'; img-src 'self' data:; object-src 'none'; form-action 'self'; frame-ancestors 'self'; base-uri 'self'"
	all := kinds(t)
	assert.GreaterOrEqual(t, len(all), 25)
	for _, preset := range []struct {
		desc string
		cfg  headers.Config
		set  map[string]string
	}{{"API", headers.API(), apiSet()}, {"Web", headers.Web(), webSet()}, {"Web with a nonce policy", nonced, noncedSet}} {
		cfg := preset.cfg
		cfg.AllowedHosts = []string{"127.0.0.1:*"}
		cfg.Redirect.NoLoopback = true
		h := newHeaders(t, cfg)
		for _, k := range all {
			t.Run(preset.desc+"/"+k.desc, func(t *testing.T) {
				resp := k.ask(t, h)
				assert.Equal(t, k.status, resp.StatusCode)
				want := maps.Clone(preset.set)
				if k.plain {
					delete(want, "Strict-Transport-Security")
				}
				if k.status == 304 && preset.desc == "Web with a nonce policy" {
					delete(want, "Content-Security-Policy") // else the stored page's nonce would be void
					assert.Empty(t, resp.Header["Content-Security-Policy"])
				}
				if strings.HasPrefix(k.desc, "a refusal") || strings.Contains(k.desc, "server.Mux") || k.outside || k.status == 400 || k.status == 403 {
					want["Cache-Control"] = "no-store" // a problem's own
				}
				for name, value := range want {
					got := resp.Header[name]
					switch {
					case k.proxied && name == "Content-Security-Policy":
						assert.Equal(t, []string{value, "worse"}, got, "every policy of a CSP is enforced")
					default:
						assert.Equal(t, []string{value}, got, name)
					}
				}
				if k.proxied {
					assert.Equal(t, []string{"sid=1; Secure; HttpOnly; SameSite=Lax"}, resp.Header["Set-Cookie"])
				}
				assert.Empty(t, resp.Header["Server"])
				assert.Empty(t, resp.Header["X-Powered-By"])
			})
		}
	}
}

// ask gets an answer of the kind from a real server.
func (k kind) ask(t *testing.T, h *headers.Headers) *http.Response {
	t.Helper()
	layered := h.Handler(k.next)
	if k.outside {
		layered = server.Recover(silent())(layered)
	}
	srv := httptest.NewUnstartedServer(layered)
	srv.EnableHTTP2 = k.http2
	if k.plain {
		srv.Start()
	} else {
		srv.StartTLS()
	}
	defer srv.Close()
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/", nil)
	require.NoError(t, err)
	if k.edit != nil {
		k.edit(r)
	}
	resp, err := client.Do(r)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, k.http2, resp.ProtoMajor == 2)
	return resp
}

func TestABackends103DoesNotWipeTheHeaders(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(103)
		fmt.Fprint(w, "x")
	}))
	defer backend.Close()
	k := kind{next: proxyTo(t, backend)}
	resp := k.ask(t, newHeaders(t, headers.API("127.0.0.1:*")))
	assertSet(t, apiSet(), resp.Header)
}

func readAll(t *testing.T, conn net.Conn) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	b, err := io.ReadAll(bufio.NewReader(conn))
	require.NoError(t, err)
	return string(b)
}

func TestAHijackThatFailsLeavesTheAnswerAlone(t *testing.T) {
	h := newHeaders(t, headers.API("api.example.com")).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := http.NewResponseController(w).Hijack()
		assert.ErrorIs(t, err, http.ErrNotSupported)
		clear(w.Header())
		w.WriteHeader(500)
	}))
	assertSet(t, apiSet(), answer(h, over("https", "GET", "/")).Header)
}

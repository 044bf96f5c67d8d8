package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/server"
)

// start serves cfg on a loopback port until stop is called.
func start(t *testing.T, cfg server.Config) (addr string, stop func() error) {
	t.Helper()
	s, err := server.New(cfg)
	require.NoError(t, err)
	ln, err := server.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(cancel)
	return ln.Addr().String(), func() error { cancel(); return <-done }
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func TestServerLetsRequestsUnderWayEnd(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	addr, stop := start(t, server.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, "done")
	})})
	answer := make(chan string, 1)
	go func() {
		_, body := get(t, "http://"+addr+"/")
		answer <- body
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	select {
	case <-stopped:
		t.Fatal("the server ended with a request under way")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	assert.Equal(t, "done", <-answer)
	assert.NoError(t, <-stopped)
}

func TestServerClosesWhatDoesNotEndInTime(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	addr, stop := start(t, server.Config{
		ShutdownTimeout: 20 * time.Millisecond,
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(entered)
			<-release
		}),
	})
	defer close(release)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	assert.ErrorIs(t, stop(), context.DeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF, "the connection is closed, not left to itself")
}

func TestServerBoundsWhatAConnectionCosts(t *testing.T) {
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	addr, _ := start(t, server.Config{Handler: handler, ReadHeaderTimeout: time.Minute})
	hasty, _ := start(t, server.Config{Handler: handler, ReadHeaderTimeout: 50 * time.Millisecond})
	t.Run("a header over the limit is 431", func(t *testing.T) {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", strings.Repeat("a", 64<<10))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.Equal(t, 431, resp.StatusCode)
	})
	t.Run("a header that does not come is cut off", func(t *testing.T) {
		conn, err := net.Dial("tcp", hasty)
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\n")
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
		_, err = io.ReadAll(conn)
		assert.NoError(t, err, "the server closes first")
	})
	t.Run("OPTIONS * reaches the handler", func(t *testing.T) {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprint(conn, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.Equal(t, 200, resp.StatusCode)
	})
}

func TestServerSpeaksTLS(t *testing.T) {
	peer := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate and a client that trusts it
	defer peer.Close()
	addr, stop := start(t, server.Config{
		TLSConfig: &tls.Config{Certificates: peer.TLS.Certificates, MinVersion: tls.VersionTLS12},
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS != nil) }),
	})
	resp, err := peer.Client().Get("https://" + addr)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "true", string(body))
	peer.Client().CloseIdleConnections()
	assert.NoError(t, stop())
}

func TestNewServerReportsEveryMistake(t *testing.T) {
	_, err := server.New(server.Config{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxHeaderBytes: -1, ReadTimeout: -1, ShutdownTimeout: -1})
	assert.Equal(t, "Handler: missing\nTLSConfig: missing\nMaxHeaderBytes: invalid: \"-1\"\nReadTimeout: invalid: \"-1ns\"\nShutdownTimeout: invalid: \"-1ns\"", conferrtest.Text(err))
}

func TestServerReportsAListenerThatFails(t *testing.T) {
	s, err := server.New(server.Config{Handler: http.NotFoundHandler(), Addr: "127.0.0.1:-1"})
	require.NoError(t, err)
	assert.Error(t, s.ListenAndServe(t.Context()))

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	assert.ErrorIs(t, s.Serve(t.Context(), ln), net.ErrClosed)

	var zero server.Server
	assert.Error(t, zero.ListenAndServe(t.Context()))
	assert.Error(t, zero.Serve(t.Context(), ln))
}

func TestListenAndServeEndsWithItsContext(t *testing.T) {
	s, err := server.New(server.Config{Handler: http.NotFoundHandler(), Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	assert.NoError(t, s.ListenAndServe(ctx))
}

func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	boom := func(before func(http.ResponseWriter)) http.Handler {
		return server.Recover(logger)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			before(w)
			panic("boom\nline")
		}))
	}
	r := httptest.NewRequest(http.MethodGet, "/x?secret=1", nil)
	w := httptest.NewRecorder()
	boom(func(http.ResponseWriter) {}).ServeHTTP(w, r)
	assert.Equal(t, 500, w.Result().StatusCode)
	assert.JSONEq(t, `{"title":"Internal Server Error","status":500,"code":"internal_error"}`, w.Body.String())
	assert.Contains(t, log.String(), `"event":"sys_crash"`)
	assert.Contains(t, log.String(), `boom\\nline`)
	assert.NotContains(t, log.String(), "secret=1")

	t.Run("its event has the id and the address of the request, told by layers further in", func(t *testing.T) {
		log.Reset()
		id, err := server.NewRequestID(server.RequestIDConfig{})
		require.NoError(t, err)
		client, err := server.NewClientIP(rampart.Proxies{Hops: 1})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		w := httptest.NewRecorder()
		server.Recover(logger)(id.Handler(client.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })))).ServeHTTP(w, r)
		require.Len(t, w.Header().Get("X-Request-Id"), 32)
		assert.Contains(t, log.String(), `"request_id":"`+w.Header().Get("X-Request-Id")+`"`)
		assert.Contains(t, log.String(), `"client_ip":"198.51.100.7"`)
	})

	t.Run("an informational answer is no beginning", func(t *testing.T) {
		srv := httptest.NewServer(boom(func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) }))
		defer srv.Close()
		resp, _ := get(t, srv.URL)
		assert.Equal(t, 500, resp.StatusCode)
	})
	for desc, begin := range map[string]func(http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(200) },
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) },
		"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") },
		"ReadFrom":    func(w http.ResponseWriter) { _, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x")) },
		"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"Controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"Hijack":      func(w http.ResponseWriter) { _, _, _ = http.NewResponseController(w).Hijack() },
	} {
		t.Run("an answer begun by "+desc+" is dropped", func(t *testing.T) {
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() { boom(begin).ServeHTTP(hijackable{httptest.NewRecorder()}, r) })
		})
	}
	t.Run("an abort passes on", func(t *testing.T) {
		h := server.Recover(logger)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(httptest.NewRecorder(), r) })
	})
	t.Run("the writer unwraps", func(t *testing.T) {
		h := server.Recover(nil)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			assert.NotNil(t, w.(interface{ Unwrap() http.ResponseWriter }).Unwrap())
		}))
		h.ServeHTTP(httptest.NewRecorder(), r)
	})
}

// hijackable is a recorder whose connection a handler can take over.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

// discard is a response that nobody looks at.
type discard struct{ head http.Header }

func (d discard) Header() http.Header       { return d.head }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestAPanicTakesTheEncodingOfItsHandlerAlong(t *testing.T) {
	for _, outside := range []bool{true, false} {
		w := httptest.NewRecorder()
		if outside { // as gorilla's CompressHandler does before it calls the next one
			w.Header().Set("Content-Encoding", "gzip")
		}
		server.Recover(slog.New(slog.DiscardHandler))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			panic("boom")
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, outside, w.Header().Get("Content-Encoding") == "gzip")
	}
}

// A Server costs a request what Recover does, which makes one thing, and no more.
func TestAServerAllocatesNoMoreThanRecover(t *testing.T) {
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	w := discard{http.Header{}}
	allocations := func(h http.Handler) float64 { return testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }) }
	assert.InDelta(t, 1, allocations(server.Recover(nil)(nothing)), 0)
	assert.InDelta(t, 1, allocations(server.HandlerOf(t, server.Config{Handler: nothing})), 0)
}

func TestServersShareAHealth(t *testing.T) {
	health := newHealth(t, server.HealthConfig{})
	_, stopOne := start(t, server.Config{Handler: http.NotFoundHandler(), Health: health})
	addr, stopTwo := start(t, server.Config{Handler: health.Ready(), Health: health})
	resp, _ := get(t, "http://"+addr)
	assert.Equal(t, 200, resp.StatusCode)
	require.NoError(t, stopOne())
	resp, _ = get(t, "http://"+addr)
	assert.Equal(t, 503, resp.StatusCode, "with one of them the instance ends")
	assert.NoError(t, stopTwo())
}

func TestASecondServeIsAnError(t *testing.T) {
	s, err := server.New(server.Config{Addr: "127.0.0.1:0", Handler: http.NotFoundHandler()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.ListenAndServe(ctx))
	for range 2 {
		assert.ErrorIs(t, s.ListenAndServe(t.Context()), http.ErrServerClosed)
	}
}

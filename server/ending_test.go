package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/server"
)

// pipes is a listener in memory, for bubbles.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), ended: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	err := net.ErrClosed
	p.once.Do(func() { close(p.ended); err = nil })
	return err
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// dial returns the client's end of a new connection, or the error of making one.
func (p *pipes) dial() (net.Conn, error) {
	client, srv := net.Pipe()
	select {
	case p.conns <- srv:
		return client, nil
	case <-p.ended:
		return nil, errors.New("refused")
	}
}

// bubble is a server on pipes.
type bubble struct {
	*pipes
	t     *testing.T
	stop  context.CancelFunc
	ended chan error
}

func serveBubble(t *testing.T, cfg server.Config) *bubble {
	t.Helper()
	s, err := server.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	b := &bubble{newPipes(), t, cancel, make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		b.ended <- s.Serve(ctx, b.pipes)
		close(done)
	}()
	t.Cleanup(func() { // no time passes in the bubble once the test has returned
		cancel()
		<-done
	})
	return b
}

// open sends text on a new connection.
func (b *bubble) open(text string) (net.Conn, *bufio.Reader) {
	b.t.Helper()
	conn, err := b.dial()
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close() })
	b.send(conn, text)
	return conn, bufio.NewReader(conn)
}

func (b *bubble) send(conn net.Conn, text string) {
	b.t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(b.t, err)
}

func (b *bubble) answer(from *bufio.Reader) (*http.Response, string) {
	b.t.Helper()
	resp, err := http.ReadResponse(from, nil)
	require.NoError(b.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp, string(body)
}

const plainGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func TestADrainServesOnAndClosesEachConnectionWithItsResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		health := newHealth(t, server.HealthConfig{})
		release := make(chan struct{})
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
		mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "keep-alive")
			w.WriteHeader(http.StatusEarlyHints)
			<-release
			fmt.Fprint(w, "slow")
		})
		mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("x") })
		mux.HandleFunc("/switch", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "x")
			w.WriteHeader(http.StatusSwitchingProtocols)
		})
		b := serveBubble(t, server.Config{Logger: slog.New(slog.DiscardHandler), Handler: mux, LameDuck: 5 * time.Second, Health: health})

		idle, idleAnswers := b.open(plainGet)
		resp, _ := b.answer(idleAnswers)
		assert.False(t, resp.Close)
		_, slow := b.open("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(slow, nil)
		require.NoError(t, err)
		assert.Equal(t, 103, resp.StatusCode)
		require.NoError(t, health.Check(t.Context()))

		began := time.Now()
		b.stop()
		synctest.Wait()
		require.Error(t, health.Check(t.Context()), "not ready from the first moment")
		time.Sleep(4 * time.Second)
		_, fresh := b.open(plainGet)
		resp, _ = b.answer(fresh)
		assert.True(t, resp.Close, "a new connection is served, once")
		_, panics := b.open("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, _ = b.answer(panics)
		assert.Equal(t, 500, resp.StatusCode)
		assert.True(t, resp.Close, "a panic's response closes too")
		_, switches := b.open("GET /switch HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		resp, err = http.ReadResponse(switches, nil)
		require.NoError(t, err)
		assert.Equal(t, []string{"Upgrade"}, resp.Header["Connection"])
		b.send(idle, plainGet)
		resp, _ = b.answer(idleAnswers)
		assert.True(t, resp.Close, "an idle connection is kept for a request that is on its way")
		close(release)
		resp, body := b.answer(slow)
		assert.Equal(t, "slow", body)
		assert.True(t, resp.Close, "a request from before the drain, too")

		require.NoError(t, <-b.ended)
		assert.InDelta(t, 5.1, time.Since(began).Seconds(), 0.05)
		_, err = b.dial()
		assert.Error(t, err)
	})
}

func TestAServerWithoutALameDuckEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveBubble(t, server.Config{Handler: http.NotFoundHandler()})
		_, answers := b.open(plainGet)
		b.answer(answers)
		began := time.Now()
		b.stop()
		require.NoError(t, <-b.ended)
		assert.Less(t, time.Since(began), 5*time.Millisecond)
	})
}

func TestAConnectionThatIsJustMadeIsServedAndAnOldSilentOneNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveBubble(t, server.Config{Handler: http.NotFoundHandler(), LameDuck: 3 * time.Second})
		_, _ = b.open("")
		began := time.Now()
		b.stop()
		time.Sleep(2900 * time.Millisecond)
		late, answers := b.open("")
		time.Sleep(800 * time.Millisecond)
		_, err := b.dial()
		require.Error(t, err, "it listens no more")
		b.send(late, plainGet)
		resp, _ := b.answer(answers)
		assert.Equal(t, 404, resp.StatusCode)
		require.NoError(t, <-b.ended)
		assert.InDelta(t, 5, time.Since(began).Seconds(), 0.5, "net/http waits 5 s for a silent connection")
	})
}

func TestASilentConnectionIsClosedBeforeTheTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveBubble(t, server.Config{Handler: http.NotFoundHandler(), ShutdownTimeout: 3 * time.Second})
		_, _ = b.open("")
		_, _ = b.open("GET / HTT")
		synctest.Wait()
		began := time.Now()
		b.stop()
		require.NoError(t, <-b.ended)
		assert.InDelta(t, 2, time.Since(began).Seconds(), 0.6)
	})
}

func TestAListenerThatFailsEndsALameDuckAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveBubble(t, server.Config{Handler: http.NotFoundHandler(), LameDuck: time.Minute})
		conn, answers := b.open(plainGet)
		b.answer(answers)
		began := time.Now()
		b.stop()
		time.Sleep(time.Second)
		_ = b.Close()
		assert.ErrorIs(t, <-b.ended, net.ErrClosed)
		assert.Equal(t, time.Second, time.Since(began))
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF, "nothing is served any more")
	})
}

func TestWhatIsUnderWayIsToldToEndAndAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		causes := make(chan error, 1)
		mux := http.NewServeMux()
		mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			causes <- context.Cause(r.Context())
			fmt.Fprint(w, "bye")
		})
		mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			fmt.Fprint(w, err != nil)
		})
		mux.HandleFunc("/unread", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
		b := serveBubble(t, server.Config{Handler: mux, ReadTimeout: time.Hour, ReadHeaderTimeout: time.Hour, WriteTimeout: time.Hour, ShutdownTimeout: 9 * time.Second})
		_, stream := b.open("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
		_, upload := b.open("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
		_, unread := b.open("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
		silent, _ := b.open("GET / HTT")
		synctest.Wait()
		began := time.Now()
		b.stop()
		resp, err := http.ReadResponse(stream, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "bye", string(body))
		assert.ErrorIs(t, <-causes, http.ErrServerClosed)
		assert.Equal(t, 6*time.Second, time.Since(began), "two thirds of the time")
		_, text := b.answer(upload)
		assert.Equal(t, "true", text)
		_, text = b.answer(unread)
		assert.Equal(t, "x", text, "net/http reads what the handler has not")
		_, err = silent.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
		require.NoError(t, <-b.ended)
		assert.Less(t, time.Since(began), 7*time.Second)
	})
}

func TestAConnectionThatAHandlerTookOverHearsOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan time.Time, 1)
		b := serveBubble(t, server.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				<-r.Context().Done()
				told <- time.Now()
				_ = conn.Close()
			}
		})})
		_, _ = b.open(plainGet)
		synctest.Wait()
		b.stop()
		require.NoError(t, <-b.ended)
		assert.WithinDuration(t, time.Now(), <-told, time.Millisecond)
	})
}

// secure serves cfg over TLS with HTTP/2.
func secure(t *testing.T, cfg server.Config) (url string, client *http.Client, stop func() error) {
	t.Helper()
	peer := httptest.NewUnstartedServer(nil)
	peer.EnableHTTP2 = true
	peer.StartTLS()
	t.Cleanup(peer.Close)
	cfg.TLSConfig = &tls.Config{Certificates: peer.TLS.Certificates, MinVersion: tls.VersionTLS12}
	addr, stop := start(t, cfg)
	return "https://" + addr, peer.Client(), stop
}

func TestADrainTellsHTTP2ClientsToConnectAnew(t *testing.T) {
	t.Parallel()
	health := newHealth(t, server.HealthConfig{})
	url, client, stop := secure(t, server.Config{
		LameDuck: 700 * time.Millisecond, Health: health,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }),
	})
	ask := func() (reused bool) {
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "HTTP/2.0", string(body))
		assert.Empty(t, resp.Header["Connection"])
		return reused
	}
	ask()
	assert.True(t, ask())
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for health.Check(t.Context()) == nil { // until the drain has begun
	}
	ask()
	assert.Eventually(t, func() bool { return !ask() }, time.Second, time.Millisecond)
	client.CloseIdleConnections()
	require.NoError(t, <-ended)
}

func TestAStalledHTTP2UploadIsToldToEndAndAnswers(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	url, client, stop := secure(t, server.Config{
		ShutdownTimeout: 3 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered <- struct{}{}
			_, err := io.ReadAll(r.Body)
			fmt.Fprint(w, err != nil)
		}),
	})
	body, more := io.Pipe()
	defer more.Close()
	ended := make(chan error, 1)
	go func() {
		<-entered
		ended <- stop()
	}()
	resp, err := client.Post(url, "text/plain", body)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "true", string(text))
	client.CloseIdleConnections()
	assert.NoError(t, <-ended)
}

func TestATakenPortIsASentence(t *testing.T) {
	ln, err := server.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	addr := ln.Addr().String()
	s, err := server.New(server.Config{Handler: http.NotFoundHandler(), Addr: addr})
	require.NoError(t, err)
	err = s.ListenAndServe(t.Context())
	assert.ErrorContains(t, err, "server: another program listens on "+addr+" already: stop it or choose another address (")
	assert.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = server.Listen(t.Context(), "192.0.2.1:80")
	assert.ErrorContains(t, err, "server: this machine does not have the address 192.0.2.1:80")
	_, err = server.Listen(t.Context(), "127.0.0.1:-1")
	assert.ErrorContains(t, err, "server: listen tcp")
}

// These moments are too short to be hit from outside: net/http drops a request that it
// has read when Shutdown begins before its handler does.
func TestAnEndWaitsForARequestThatIsReadUntilItsHandlerBegins(t *testing.T) {
	conn, _ := net.Pipe()
	e := server.NewDrain()
	const soon = time.Second
	assert.True(t, e.Settled(soon))
	e.State(conn, http.StateNew)
	assert.False(t, e.Settled(soon), "it may send a request")
	assert.True(t, e.Settled(6*time.Second), "net/http, too, gives it up")
	e.State(conn, http.StateActive)
	assert.False(t, e.Settled(time.Hour))
	e.Serve(conn, func(http.ResponseWriter, *http.Request) { assert.True(t, e.Settled(soon)) }, httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	e.State(conn, http.StateActive)
	e.State(conn, http.StateIdle)
	assert.True(t, e.Settled(soon))
	e.State(conn, http.StateNew)
	e.State(conn, http.StateClosed)
	assert.True(t, e.Settled(soon), "a connection that is gone sends nothing")
}

// deadlines counts the read deadlines of a response.
type deadlines struct {
	http.ResponseWriter
	n int
}

func (d *deadlines) SetReadDeadline(time.Time) error { d.n++; return nil }

func TestAnHTTP2UploadIsToldToEndWhileItsHandlerRuns(t *testing.T) {
	e := server.NewDrain()
	upload := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	upload.ProtoMajor, upload.ContentLength = 2, -1
	var before, during, after deadlines
	e.Serve(nil, func(http.ResponseWriter, *http.Request) {}, &before, upload)
	e.Serve(nil, func(http.ResponseWriter, *http.Request) { e.Tell() }, &during, upload)
	e.Serve(nil, func(http.ResponseWriter, *http.Request) { assert.Equal(t, 1, after.n) }, &after, upload)
	assert.Equal(t, []int{0, 1, 1}, []int{before.n, during.n, after.n})
}

package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
	"github.com/ecolaura/rampart/server"
)

func h2c() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// h2cClient speaks HTTP/2 in the clear only.
func h2cClient(t *testing.T) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: p}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestAStreamOverH2CGoesThroughTheWholeDrain(t *testing.T) {
	t.Parallel()
	states := make(chan http.ConnState, 100)
	entered, told := make(chan struct{}), make(chan struct{})
	type key struct{}
	type connKey struct{}
	addr, stop := start(t, server.Config{
		Protocols: h2c(), LameDuck: 200 * time.Millisecond, ShutdownTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context {
			ended, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "base"))
			cancel()
			return ended
		},
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, ctx.Value(key{}).(string)+" and connection")
		},
		ConnState: func(_ net.Conn, s http.ConnState) {
			select {
			case states <- s:
			default:
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, r.Proto, r.Context().Value(connKey{}), r.Context().Err())
			_ = http.NewResponseController(w).Flush()
			close(entered)
			<-server.Ending(r.Context())
			close(told)
			fmt.Fprint(w, "bye ", r.Context().Err())
		}),
	})
	ended := make(chan error, 1)
	go func() {
		<-entered
		ended <- stop()
	}()
	resp, err := h2cClient(t).Get("http://" + addr)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "HTTP/2.0 base and connection <nil>\nbye <nil>", string(body))
	<-told
	require.NoError(t, <-ended)
	assert.Equal(t, http.StateNew, <-states)
}

func TestAStalledH2CUploadIsToldToEndAndAnswers(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	addr, stop := start(t, server.Config{
		Protocols: h2c(), ShutdownTimeout: 3 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
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
	resp, err := h2cClient(t).Post("http://"+addr, "text/plain", body)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "true", string(text))
	assert.NoError(t, <-ended)
}

func TestProtocolsThatServeNothingAreMistakes(t *testing.T) {
	_, err := server.New(server.Config{Handler: http.NotFoundHandler(), Protocols: new(http.Protocols)})
	assert.ErrorContains(t, err, "Protocols")
}

func TestAConnectionThatAHandlerTookOverIsClosedAtTheEnd(t *testing.T) {
	for _, tt := range []struct {
		desc  string
		heeds bool // the handler closes it when the drain begins
		after time.Duration
		err   error
	}{
		{"at once, when its handler closes it", true, 0, nil},
		{"when the time is up, otherwise", false, 9 * time.Second, context.DeadlineExceeded},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := serveBubble(t, server.Config{ShutdownTimeout: 9 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, _, err := http.NewResponseController(w).Hijack()
					if !assert.NoError(t, err) {
						return
					}
					ending := server.Ending(r.Context())
					go func() {
						if <-ending; tt.heeds {
							_ = conn.Close()
						}
					}()
				})})
				conn, _ := b.open(plainGet)
				synctest.Wait()
				began := time.Now()
				b.stop()
				_, err := conn.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF)
				assert.ErrorIs(t, <-b.ended, tt.err)
				assert.Equal(t, tt.after, time.Since(began))
			})
		})
	}
}

func TestEndingOutsideAServerNeverComes(t *testing.T) {
	assert.Nil(t, server.Ending(t.Context()))
}

func TestAConnectionThatItsOwnerClosesIsForgotten(t *testing.T) {
	e := server.NewDrain()
	here, _ := net.Pipe()
	held := e.Take(here)
	assert.Equal(t, 1, e.Holds())
	require.NoError(t, held.Close())
	assert.Zero(t, e.Holds())
}

func TestAStreamThatIsReadOutlivesTheTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveBubble(t, server.Config{ReadTimeout: time.Second, WriteTimeout: time.Second, Handler: server.Streaming(time.Second)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 5 {
				time.Sleep(3 * time.Second)
				fmt.Fprint(w, "x")
				assert.NoError(t, http.NewResponseController(w).Flush())
			}
			assert.NoError(t, r.Context().Err())
		}))})
		_, answers := b.open(plainGet)
		_, body := b.answer(answers)
		assert.Equal(t, "xxxxx", body)
	})
}

func TestAStreamThatIsNotReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		b := serveBubble(t, server.Config{WriteTimeout: time.Hour, Handler: server.Streaming(2 * time.Second)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 1<<20))
			failed <- err
		}))})
		began := time.Now()
		_, _ = b.open(plainGet)
		assert.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(began))
	})
}

func TestABodyThatIsTooLongClosesItsConnection(t *testing.T) {
	addr, _ := start(t, server.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(request.MaxBytes(w, r, 4))
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})})
	for text, closes := range map[string]bool{"four": false, "fives": true} {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.Equal(t, closes, resp.Close)
	}
}

func TestAUnixSocketIsAProxyOnlyIfItIsBelieved(t *testing.T) {
	for _, believed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "s")
		var log strings.Builder
		c, err := server.NewClientIP(rampart.Proxies{UnixSocket: believed})
		require.NoError(t, err)
		c = c.LogTo(slog.New(slog.NewTextHandler(&log, nil)))
		s, err := server.New(server.Config{Addr: "unix:" + path, Handler: c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, c.Addr(r))
		}))})
		require.NoError(t, err)
		left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		left.SetUnlinkOnClose(false)
		_, err = server.Listen(t.Context(), "unix:"+path)
		require.ErrorContains(t, err, "another program listens")
		require.NoError(t, left.Close())

		ln, err := server.Listen(t.Context(), "unix:"+path)
		require.NoError(t, err, "what a crash has left is replaced")
		is, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o660), is.Mode().Perm())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx, ln) }()
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a", nil)
		require.NoError(t, err)
		req.Header.Set("X-Forwarded-For", "198.51.100.7")
		resp, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		_ = resp.Body.Close()
		client.CloseIdleConnections()
		cancel()
		require.NoError(t, <-ended)
		_, err = os.Stat(path)
		require.ErrorIs(t, err, os.ErrNotExist)
		if believed {
			assert.Equal(t, "198.51.100.7", string(body))
			assert.Empty(t, log.String())
		} else {
			assert.Equal(t, "invalid IP", string(body))
			assert.Contains(t, log.String(), "event=untrusted_proxy peer=unix header=X-Forwarded-For set=Proxies.UnixSocket")
		}
	}
}

func TestAListenerOnAUnixSocketRefusesWhatIsNoSocketOfItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for addr, want := range map[string]string{"unix:": "is no path", "unix:@x": "is no path", "unix:" + file: "is a file that is no socket"} {
		_, err := server.Listen(t.Context(), addr)
		assert.ErrorContains(t, err, want)
	}
}

func TestAnOverlookedHeaderIsAnEvent(t *testing.T) {
	for _, tt := range []struct {
		desc, peer, name, value string
		proxies                 rampart.Proxies
		set                     string // "": no event
	}{
		{"a private peer", "10.0.0.5:1", "X-Forwarded-For", "198.51.100.7", rampart.Proxies{}, "Proxies.Prefixes or Proxies.Hops"},
		{"loopback, RFC 7239", "127.0.0.1:1", "Forwarded", "for=198.51.100.7", rampart.Proxies{}, "Proxies.Prefixes or Proxies.Hops"},
		{"a carrier's NAT", "100.64.0.1:1", "X-Forwarded-For", "198.51.100.7", rampart.Proxies{}, "Proxies.Prefixes or Proxies.Hops"},
		{"link-local, another prefix", "[fe80::1]:1", "X-Forwarded-For", "198.51.100.7", rampart.Proxies{Prefixes: prefixes("10.0.0.0/8")}, "Proxies.Prefixes or Proxies.Hops"},
		{"believed, with another header", "10.0.0.5:1", "Forwarded", "for=198.51.100.7", rampart.Proxies{Prefixes: prefixes("10.0.0.0/8")}, "Proxies.ClientHeader"},
		{"believed", "10.0.0.5:1", "X-Forwarded-For", "198.51.100.7", rampart.Proxies{Prefixes: prefixes("10.0.0.0/8")}, ""},
		{"a stranger", "192.0.2.1:1", "X-Forwarded-For", "198.51.100.7", rampart.Proxies{}, ""},
		{"the same address", "10.0.0.5:1", "X-Forwarded-For", "10.0.0.5", rampart.Proxies{}, ""},
		{"no address", "10.0.0.5:1", "X-Forwarded-For", "unknown", rampart.Proxies{}, ""},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			var log strings.Builder
			c, err := server.NewClientIP(tt.proxies)
			require.NoError(t, err)
			h := c.LogTo(slog.New(slog.NewTextHandler(&log, nil))).Handler(http.NotFoundHandler())
			for range 2 {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = tt.peer
				r.Header.Set(tt.name, tt.value)
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			if tt.set == "" {
				assert.Empty(t, log.String())
				return
			}
			assert.Equal(t, 1, strings.Count(log.String(), "\n"), "one for the peer; the other one is folded")
			assert.Contains(t, log.String(), "event=untrusted_proxy")
			assert.Contains(t, log.String(), tt.set)
			assert.Contains(t, log.String(), "header="+tt.name)
		})
	}
}

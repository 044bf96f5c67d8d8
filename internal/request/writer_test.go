package request_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/request"
)

// once is a layer in miniature: it counts what it is called for.
type once struct {
	request.Base
	finals, early, status int
}

// Final implements [request.Layer].
func (o *once) Final(_ *request.Writer, h http.Header, status int, _ request.Look) {
	h.Set("Final", "yes")
	if status == request.Early {
		o.early++
		return
	}
	o.finals++
	o.status = status
}

// named adds its name to a list, so that the order of layers is seen.
type named struct {
	request.Base
	name string
}

// Final implements [request.Layer].
func (n *named) Final(_ *request.Writer, h http.Header, _ int, _ request.Look) {
	h.Add("Layers", n.name)
}

// layered serves next through a layer of its own, which seen then holds.
func layered(seen **once, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, own := request.Join[once](w, r, request.Status)
		if seen != nil {
			*seen = o
		}
		own.Serve(next, w, r)
	})
}

// under serves next through a layer of that name.
func under(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, own := request.Join[named](w, r, request.Status)
		n.name = name
		own.Serve(next, w, r)
	})
}

// get asks a server of h.
func get(t *testing.T, h http.Handler) *http.Response {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

// ask serves a request in memory.
func ask(t *testing.T, h http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	return w
}

func TestFinalRunsOnceBeforeTheFinalHeader(t *testing.T) {
	tests := []struct {
		desc   string
		answer http.HandlerFunc
		status int
	}{
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, 200},
		{"WriteHeader", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 404},
		{"a second WriteHeader", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); _, _ = w.Write(nil) }, 201},
		{"an informational header before", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, 204},
		{"Write", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") }, 200},
		{"WriteString", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.(io.StringWriter).WriteString("x") }, 200},
		{"ReadFrom", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
		}, 200},
		{"Flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, 200},
		{"a ResponseController's Flush", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, 200},
	}
	for _, tt := range tests {
		for _, inside := range []string{"", "a layer around it"} {
			t.Run(tt.desc+" "+inside, func(t *testing.T) {
				var seen *once
				h := layered(&seen, tt.answer)
				if inside != "" {
					h = layered(nil, h.ServeHTTP)
				}
				resp := get(t, h)
				assert.Equal(t, tt.status, resp.StatusCode)
				assert.Equal(t, "yes", resp.Header.Get("Final"))
				assert.Equal(t, 1, seen.finals)
				assert.Equal(t, tt.status, seen.status)
			})
		}
	}
}

func TestAnInformationalHeaderIsInOrderAndNotFinal(t *testing.T) {
	var seen *once
	w := ask(t, layered(&seen, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		assert.Equal(t, "yes", w.Header().Get("Final"))
		assert.Equal(t, []int{0, 1}, []int{seen.finals, seen.early})
		clear(w.Header()) // as httputil.ReverseProxy does
	}))
	assert.Equal(t, "yes", w.Header().Get("Final"))
	assert.Equal(t, 1, seen.finals)
}

func TestAProtocolSwitchIsFinal(t *testing.T) {
	var seen *once
	ask(t, layered(&seen, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) }))
	assert.Equal(t, []int{1, 0, http.StatusSwitchingProtocols}, []int{seen.finals, seen.early, seen.status})
}

func TestWhatIsWrittenPastTheFinalHeaderChangesNothing(t *testing.T) {
	var seen *once
	resp := get(t, layered(&seen, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("Final", "no")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	}))
	assert.Equal(t, http.StatusTeapot, resp.StatusCode)
	assert.Equal(t, "yes", resp.Header.Get("Final"))
	assert.Equal(t, []int{1, 0, http.StatusTeapot}, []int{seen.finals, seen.early, seen.status})
}

// httputil.ReverseProxy hijacks before it adds the header of a backend that
// switches protocols.
func TestAHijackedResponseIsFinalAtEachLookAtTheHeader(t *testing.T) {
	var seen *once
	resp := get(t, layered(&seen, func(w http.ResponseWriter, _ *http.Request) {
		before := w.Header()
		before.Set("Final", "no")
		conn, rw, err := w.(http.Hijacker).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		assert.Equal(t, "yes", before.Get("Final"), "for one who holds the map already")
		w.Header().Set("Final", "no")
		fmt.Fprint(rw, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n")
		assert.NoError(t, w.Header().Write(rw))
		fmt.Fprint(rw, "\r\n")
		assert.NoError(t, rw.Flush())
		assert.Equal(t, http.StatusSwitchingProtocols, seen.status)
	}))
	assert.Equal(t, "yes", resp.Header.Get("Final"))
}

func TestHijackReachesTheConnection(t *testing.T) {
	for name, hijack := range map[string]func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"by the interface": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
		"by the controller": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
	} {
		t.Run(name, func(t *testing.T) {
			resp := get(t, layered(nil, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := hijack(w)
				if assert.NoError(t, err) {
					_, _ = io.WriteString(conn, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n")
					_ = conn.Close()
				}
			}))
			assert.Equal(t, http.StatusTeapot, resp.StatusCode)
		})
	}
}

// only has the methods of an [http.ResponseWriter].
type only struct{ http.ResponseWriter }

// flushing can flush and no more.
type flushing struct{ only }

// Flush implements [http.Flusher].
func (flushing) Flush() {}

// pushing can do all of it.
type pushing struct{ flushing }

// Hijack implements [http.Hijacker].
func (pushing) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrHijacked }

// Push implements [http.Pusher].
func (pushing) Push(string, *http.PushOptions) error { return nil }

// hijacking can hijack and not flush.
type hijacking struct{ only }

// Hijack implements [http.Hijacker].
func (hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrHijacked }

// A handler that asks by type what a writer can do must not be lied to: an event
// stream behind a writer that keeps all to itself would hang.
func TestAWriterPromisesNoMoreThanTheOneBelowItCanDo(t *testing.T) {
	recorder := only{httptest.NewRecorder()}
	for name, tt := range map[string]struct {
		below          http.ResponseWriter
		flush, hijacks bool
	}{
		"plain":                          {recorder, false, false},
		"a Flusher":                      {flushing{recorder}, true, false},
		"a Flusher, Hijacker and Pusher": {pushing{flushing{recorder}}, true, true},
		"a Hijacker that is no Flusher":  {hijacking{recorder}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			layered(nil, layered(nil, func(w http.ResponseWriter, _ *http.Request) {
				_, flushes := w.(http.Flusher)
				_, hijacks := w.(http.Hijacker)
				_, pushes := w.(http.Pusher)
				assert.Equal(t, []bool{tt.flush, tt.hijacks, false}, []bool{flushes, hijacks, pushes})
			}).ServeHTTP).ServeHTTP(tt.below, r)
		})
	}
}

// stream is an event stream as libraries write it.
func stream(w http.ResponseWriter, r *http.Request) {
	f, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "streaming is not supported", http.StatusNotImplemented)
		return
	}
	fmt.Fprint(w, "data: x\n\n")
	f.Flush()
	<-r.Context().Done()
}

func TestAnEventStreamBehindATimeoutHandlerFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := ask(t, layered(nil, http.TimeoutHandler(layered(nil, stream), time.Minute, "too late").ServeHTTP))
		assert.Equal(t, http.StatusNotImplemented, w.Code)
		assert.Zero(t, time.Since(began))
		assert.Equal(t, "yes", w.Header().Get("Final"))
	})
}

func TestAFlushThatTheWriterBelowCannotDoIsFinalAndFails(t *testing.T) {
	var seen *once
	h := layered(&seen, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		assert.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
		assert.Equal(t, "yes", h.Get("Final"))
		assert.Equal(t, 1, seen.finals)
	})
	h.ServeHTTP(only{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
}

func TestWhoUnwrapsFindsTheHeaderInOrder(t *testing.T) {
	var seen *once
	recorder := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	layered(&seen, func(w http.ResponseWriter, _ *http.Request) {
		below := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
		assert.Same(t, recorder, below)
		assert.Equal(t, "yes", below.Header().Get("Final"))
		w.Header().Set("Final", "no")
		assert.Equal(t, "yes", w.Header().Get("Final"), "at each look")
		assert.Zero(t, seen.finals, "it may not be the final one")
		w.WriteHeader(http.StatusAccepted)
	}).ServeHTTP(recorder, r)
	assert.Equal(t, http.StatusAccepted, seen.status)
	assert.Equal(t, 1, seen.finals)
}

// sees counts the layers that made a header by what they put into it.
func sees(t *testing.T, between func(w http.ResponseWriter)) []string {
	t.Helper()
	w := ask(t, under("outer", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		between(w)
		under("inner", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	})))
	return w.Result().Header["Layers"]
}

func TestTheInnermostLayerComesFirst(t *testing.T) {
	assert.Equal(t, []string{"inner", "outer"}, sees(t, func(http.ResponseWriter) {}))
}

func TestNoLayerIsJoinedAfterTheHeaderIsOutOrTheWriterWasUnwrapped(t *testing.T) {
	for name, between := range map[string]func(w http.ResponseWriter){
		"the header is out": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"unwrapped":         func(w http.ResponseWriter) { _ = w.(interface{ Unwrap() http.ResponseWriter }).Unwrap() },
	} {
		t.Run(name, func(t *testing.T) {
			ask(t, layered(nil, func(w http.ResponseWriter, r *http.Request) {
				layered(nil, func(inner http.ResponseWriter, _ *http.Request) { assert.Same(t, w, inner, "before") }).ServeHTTP(w, r)
				between(w)
				layered(nil, func(inner http.ResponseWriter, _ *http.Request) { assert.NotSame(t, w, inner) }).ServeHTTP(w, r)
			}))
		})
	}
	assert.Equal(t, []string{"outer"}, sees(t, func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }))
}

func TestARecoverFurtherOutFindsTheFinalValuesInTheMap(t *testing.T) {
	for name, layer := range map[string]func(http.HandlerFunc) http.Handler{
		"a layer":    func(next http.HandlerFunc) http.Handler { return layered(nil, next) },
		"two layers": func(next http.HandlerFunc) http.Handler { return layered(nil, layered(nil, next).ServeHTTP) },
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(t, recovering(layer(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Final", "no")
				panic("boom")
			})))
			assert.Equal(t, http.StatusInternalServerError, w.Code)
			assert.Equal(t, "yes", w.Result().Header.Get("Final"))
		})
	}
}

// recovering is a foreign layer that answers 500 when next panics.
func recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func TestAPanicAfterTheHeaderIsOutIsNoSecondFinal(t *testing.T) {
	var seen *once
	assert.Panics(t, func() {
		ask(t, layered(&seen, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			panic("boom")
		}))
	})
	assert.Equal(t, []int{1, http.StatusAccepted}, []int{seen.finals, seen.status})
}

// uncomparable panics when it is compared as an interface.
type uncomparable struct {
	http.ResponseWriter
	_ []int
}

func TestAWriterThatCannotBeComparedIsServed(t *testing.T) {
	recorder := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	layered(nil, func(w http.ResponseWriter, r *http.Request) {
		layered(nil, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") }).ServeHTTP(uncomparable{ResponseWriter: w}, r)
	}).ServeHTTP(uncomparable{ResponseWriter: recorder}, r)
	assert.Equal(t, "yes", recorder.Result().Header.Get("Final"))
	assert.Equal(t, "x", recorder.Body.String())
}

// valued is a layer with a value.
type valued struct {
	request.Base
	value string
}

type valueKey struct{}

// Value implements [request.Layer].
func (v *valued) Value(_ *request.Writer, key any) any {
	if key == (valueKey{}) {
		return v.value
	}
	return nil
}

// copied serves next as a layer of kind with a value, and tells whether it made a
// copy of its own.
func copied(kind request.Kind, value string, own *bool, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := request.JoinCopy(w, r, kind, false, func(v *valued) { v.value = value })
		*own = c != nil
		c.Serve(next, w, r)
	})
}

func TestALayerThatChangesTheRequestHasACopyOfItsOwn(t *testing.T) {
	var own bool
	ask(t, copied(request.ID, "outer", &own, func(w http.ResponseWriter, r *http.Request) {
		assert.NotNil(t, request.JoinCopy(w, r, request.Client, true, func(*valued) {}))
		assert.Nil(t, request.JoinCopy(w, r, request.Client, false, func(*valued) {}))
	}))
}

func TestALayerWithAValueJoinsOnlyTheWriterAndTheCopyThatStandTogether(t *testing.T) {
	foreign := func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
		return only{w}, r
	}
	for name, tt := range map[string]struct {
		kind    request.Kind
		between func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request)
		own     bool
	}{
		"both as they were": {request.Client, func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) { return w, r }, false},
		"its kind is taken": {request.ID, func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) { return w, r }, true},
		"a foreign writer":  {request.Client, foreign, true},
		"a copy of the request": {request.Client, func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
			return w, r.WithContext(r.Context())
		}, true},
		"a writer of another request": {request.Client, func(_ http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
			return httptest.NewRecorder(), r
		}, true},
		"a writer of another copy": {request.Client, func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
			var other *http.Request
			var own bool
			copied(request.ID, "other", &own, func(_ http.ResponseWriter, r *http.Request) { other = r }).ServeHTTP(httptest.NewRecorder(), r)
			return w, other
		}, true},
		"the header is out": {request.Client, func(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
			w.WriteHeader(http.StatusOK)
			return w, r
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var first, second bool
			ask(t, copied(request.ID, "outer", &first, func(w http.ResponseWriter, r *http.Request) {
				outer := r
				w, r = tt.between(w, r)
				copied(tt.kind, "inner", &second, func(_ http.ResponseWriter, r *http.Request) {
					assert.Equal(t, "inner", r.Context().Value(valueKey{}))
				}).ServeHTTP(w, r)
				if tt.own {
					assert.Equal(t, "outer", outer.Context().Value(valueKey{}), "values travel inwards only")
				}
			}))
			assert.True(t, first)
			assert.Equal(t, tt.own, second)
		})
	}
}

// A goroutine that reads the body, as httputil.ReverseProxy has one, gives its client
// time anew with each part while the handler responds.
func TestDeadlinesMayBeSetByAnotherGoroutineWhileTheHandlerResponds(t *testing.T) {
	srv := httptest.NewServer(layered(nil, func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		var reading sync.WaitGroup
		reading.Go(func() {
			for range 1000 {
				assert.NoError(t, control.SetReadDeadline(time.Now().Add(time.Minute)))
				assert.NoError(t, control.SetWriteDeadline(time.Now().Add(time.Minute)))
				assert.NoError(t, control.EnableFullDuplex())
			}
		})
		for range 1000 {
			w.Header().Set("X", "y")
		}
		w.WriteHeader(http.StatusAccepted)
		reading.Wait()
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusAccepted, resp.StatusCode)
	assert.Equal(t, "yes", resp.Header.Get("Final"))
}

package respwriter_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/respwriter"
)

// once is a layer's per-request struct in miniature.
type once struct {
	respwriter.Writer
	calls, status int
}

func (o *once) FinalHeader(h http.Header, status int) {
	o.calls++
	o.status = status
	h.Set("Final", "yes")
}

func TestFinalRunsOnceBeforeTheFinalHeader(t *testing.T) {
	tests := []struct {
		desc   string
		answer func(w http.ResponseWriter)
		status int
	}{
		{"nothing written", func(http.ResponseWriter) {}, 200},
		{"WriteHeader", func(w http.ResponseWriter) { w.WriteHeader(404) }, 404},
		{"a second WriteHeader", func(w http.ResponseWriter) { w.WriteHeader(201); _, _ = w.Write(nil) }, 201},
		{"an informational header before", func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(204) }, 204},
		{"Write", func(w http.ResponseWriter) { fmt.Fprint(w, "x") }, 200},
		{"WriteString", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") }, 200},
		{"ReadFrom", func(w http.ResponseWriter) { _, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x")) }, 200},
		{"Flush", func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, 200},
		{"a ResponseController's Flush", func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }, 200},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			var seen *once
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				seen = &once{}
				seen.ResponseWriter, seen.Final = w, seen
				tt.answer(seen)
				seen.Finish()
			}))
			defer srv.Close()
			resp, err := http.Get(srv.URL)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, tt.status, resp.StatusCode)
			assert.Equal(t, "yes", resp.Header.Get("Final"))
			assert.Equal(t, 1, seen.calls)
			assert.Equal(t, tt.status, seen.status)
		})
	}
}

// httputil.ReverseProxy hijacks before it adds the header of a backend that
// switches protocols.
func TestAHijackedAnswerIsFinalAtEachLookAtTheHeader(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		o := &once{}
		o.ResponseWriter, o.Final = w, o
		before := o.Header()
		before.Set("Final", "no")
		conn, rw, err := o.Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		assert.Equal(t, "yes", before.Get("Final"), "for one who holds the map already")
		o.Header().Set("Final", "no")
		fmt.Fprint(rw, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n")
		assert.NoError(t, o.Header().Write(rw))
		fmt.Fprint(rw, "\r\n")
		assert.NoError(t, rw.Flush())
		assert.Equal(t, 101, o.status)
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "yes", resp.Header.Get("Final"))
}

func TestHijackReachesTheConnection(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		o := &once{}
		o.ResponseWriter, o.Final = w, o
		conn, _, err := o.Hijack()
		if assert.NoError(t, err) {
			_, _ = io.WriteString(conn, "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n")
			_ = conn.Close()
		}
		assert.Same(t, w, o.Unwrap())
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 418, resp.StatusCode)
}

// Package respwriter is the response writer of the layers that look at an
// answer's header once more before it goes out.
package respwriter

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// Writer calls Final once, just before the final header is written: by
// WriteHeader with a status of 200 or more (or 101), by the first Write,
// ReadFrom or Flush, or, if the handler wrote nothing, by [Writer.Finish].
// Informational answers (1xx) pass untouched. After [Writer.Hijack] Final runs
// at each look at the header map, since nothing tells which is the last: what
// it does a second time must change nothing. It is meant to be embedded by
// value in a layer's own per-request struct, so that a request costs one
// allocation; Final is then a method of that struct. A nil Final is not called:
// a layer that need not look again unless the handler has asked for the header
// map may set it in its own Header method.
type Writer struct {
	http.ResponseWriter
	Final Finalizer

	wrote    bool
	hijacked bool
}

// A Finalizer sees the header of an answer at the last moment. Status is that
// of the answer, of a hijacked one 101.
type Finalizer interface {
	FinalHeader(h http.Header, status int)
}

// Header implements [http.ResponseWriter].
func (w *Writer) Header() http.Header {
	h := w.ResponseWriter.Header()
	if w.hijacked && w.Final != nil {
		w.Final.FinalHeader(h, http.StatusSwitchingProtocols)
	}
	return h
}

// WriteHeader implements [http.ResponseWriter].
func (w *Writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.final(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *Writer) Write(b []byte) (int, error) {
	w.final(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// WriteString implements [io.StringWriter].
func (w *Writer) WriteString(s string) (int, error) {
	w.final(http.StatusOK)
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements [io.ReaderFrom], so that sendfile stays in reach.
func (w *Writer) ReadFrom(src io.Reader) (int64, error) {
	w.final(http.StatusOK)
	return io.Copy(w.ResponseWriter, src)
}

// Flush implements [http.Flusher].
func (w *Writer) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] calls.
func (w *Writer) FlushError() error {
	w.final(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker]. Who hijacks writes the header to the
// connection itself, from the map that it holds already or asks for afterwards:
// httputil.ReverseProxy, at a protocol switch, asks once to add the backend's
// header and once more to write it all.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.hijacked = true
		_ = w.Header()
	}
	return conn, rw, err
}

// Unwrap is for [http.ResponseController].
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Finish makes the header of a handler final that returned without writing;
// net/http then answers 200. After a panic it must not be called.
func (w *Writer) Finish() { w.final(http.StatusOK) }

func (w *Writer) final(status int) {
	if !w.wrote {
		w.wrote = true
		if w.Final != nil {
			w.Final.FinalHeader(w.ResponseWriter.Header(), status)
		}
	}
}

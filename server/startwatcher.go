package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// startWatcher notes whether an answer has begun.
type startWatcher struct {
	http.ResponseWriter
	started bool
}

func (w *startWatcher) WriteHeader(status int) {
	w.started = w.started || status >= 200 || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

func (w *startWatcher) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

func (w *startWatcher) WriteString(s string) (int, error) {
	w.started = true
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom keeps sendfile in reach.
func (w *startWatcher) ReadFrom(src io.Reader) (int64, error) {
	w.started = true
	return io.Copy(w.ResponseWriter, src)
}

// Flush is for handlers that ask for an [http.Flusher].
func (w *startWatcher) Flush() { _ = w.FlushError() }

func (w *startWatcher) FlushError() error {
	w.started = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *startWatcher) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.started = true
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for [http.ResponseController].
func (w *startWatcher) Unwrap() http.ResponseWriter { return w.ResponseWriter }

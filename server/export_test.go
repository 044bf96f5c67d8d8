package server

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// HandlerOf returns what a Server for cfg gives net/http.
func HandlerOf(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s.srv.Handler
}

// An Ending is what a Server that ends knows of its connections.
type Ending struct{ e *ending }

// NewEnding returns an Ending without connections.
func NewEnding() Ending {
	e := newEnding()
	e.begun.Store(true)
	return Ending{e}
}

// State is what net/http tells of a connection.
func (e Ending) State(c net.Conn, state http.ConnState) { e.e.connState(c, state) }

// Serve has h serve r, of the connection.
func (e Ending) Serve(c net.Conn, h http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	e.e.layer(h).ServeHTTP(w, r.WithContext(e.e.connContext(r.Context(), c)))
}

// Settled reports whether no request is awaited any more, a time from now.
func (e Ending) Settled(later time.Duration) bool { return e.e.settled(time.Now().Add(later)) }

// Tell tells requests to end.
func (e Ending) Tell() { e.e.tell() }

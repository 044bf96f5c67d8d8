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

// A Drain is what a Server that ends knows of its connections.
type Drain struct{ e *ending }

// NewDrain returns a Drain without connections.
func NewDrain() Drain {
	e := newEnding()
	e.begun.Store(true)
	return Drain{e}
}

// State is what net/http tells of a connection.
func (e Drain) State(c net.Conn, state http.ConnState) { e.e.connState(c, state) }

// Serve has h serve r, of the connection.
func (e Drain) Serve(c net.Conn, h http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	e.e.layer(h).ServeHTTP(w, r.WithContext(e.e.connContext(r.Context(), c)))
}

// Settled reports whether no request is awaited any more, a time from now.
func (e Drain) Settled(later time.Duration) bool { return e.e.settled(time.Now().Add(later)) }

// Tell tells requests to end.
func (e Drain) Tell() { e.e.tell() }

// Take has a handler take a connection over.
func (e Drain) Take(c net.Conn) net.Conn { return e.e.take(c) }

// Holds returns how many connections handlers have.
func (e Drain) Holds() int { return e.e.holds() }

// CloseTaken is the end.
func (e Drain) CloseTaken() { e.e.closeTaken() }

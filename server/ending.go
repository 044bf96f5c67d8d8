package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	quiet = 100 * time.Millisecond // after the last connection: then no handshake is under way any more
	young = 5 * time.Second        // net/http, too, waits no longer for a connection's first request
)

// ending is what a Server knows of its connections, so that its end loses no
// request.
type ending struct {
	begun atomic.Bool   // responses close their connections
	ends  chan struct{} // closed when nothing new is accepted any more
	freed chan struct{} // tells that taken may be empty

	userState   func(net.Conn, http.ConnState)
	userContext func(context.Context, net.Conn) context.Context

	mu     sync.Mutex
	told   bool
	conns  map[net.Conn]connection
	bodies map[http.ResponseWriter]struct{} // of HTTP/2 requests under way
	last   time.Time                        // when a connection last came
	taken  map[*hold]net.Conn               // by handlers
	over   bool                             // what is taken now is closed
}

type connection struct {
	state  http.ConnState
	since  time.Time // only of one that has sent nothing yet
	coming bool      // it has sent a request that no handler has yet
	h2c    bool      // it speaks HTTP/2 in the clear
}

type connectionKey struct{}

func newEnding() *ending {
	return &ending{
		ends:   make(chan struct{}),
		freed:  make(chan struct{}, 1),
		conns:  make(map[net.Conn]connection),
		bodies: make(map[http.ResponseWriter]struct{}),
		taken:  make(map[*hold]net.Conn),
	}
}

// connState is the [http.Server]'s hook.
func (e *ending) connState(c net.Conn, state http.ConnState) {
	if e.userState != nil {
		defer e.userState(c, state)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch state {
	case http.StateNew:
		e.last = time.Now()
		e.conns[c] = connection{state: state, since: e.last}
	case http.StateActive, http.StateIdle:
		e.conns[c] = connection{state: state, coming: state == http.StateActive && e.begun.Load(), h2c: e.conns[c].h2c}
	default:
		delete(e.conns, c)
	}
}

// connContext is the [http.Server]'s hook.
func (e *ending) connContext(ctx context.Context, c net.Conn) context.Context {
	if e.userContext != nil {
		ctx = e.userContext(ctx, c)
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

// layer notes which requests have come through, once that matters, and the bodies
// that HTTP/2 clients send: a read deadline of their connection would end the other
// requests on it too.
func (e *ending) layer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h2c := r.ProtoMajor >= 2 && r.TLS == nil; h2c || e.begun.Load() {
			e.arrived(r, h2c)
		}
		if r.ProtoMajor >= 2 && r.ContentLength != 0 {
			e.mu.Lock()
			e.bodies[w] = struct{}{}
			if e.told {
				endRead(w)
			}
			e.mu.Unlock()
			defer func() {
				e.mu.Lock()
				delete(e.bodies, w)
				e.mu.Unlock()
			}()
		}
		next.ServeHTTP(w, r)
	})
}

func (e *ending) arrived(r *http.Request, h2c bool) {
	c, _ := r.Context().Value(connectionKey{}).(net.Conn)
	e.mu.Lock()
	defer e.mu.Unlock()
	if is, ok := e.conns[c]; ok {
		is.coming, is.h2c = false, h2c
		e.conns[c] = is
	}
}

// closeDoor stops new connections, and waits until those that clients take for
// made have been accepted and their first requests have begun: whatever a client
// sends after that, [http.Server.Shutdown] drops. Closing a listener resets the
// connections that Accept has not returned yet, so where possible it is kept until
// there are no more of them.
func (e *ending) closeDoor(ctx context.Context, ln net.Listener) {
	waiting := refuse(ln)
	if own, ok := ln.(*unixListener); ok {
		own.hide()
		waiting = func() bool { return false } // Accept takes them within the quiet time
	}
	if waiting == nil {
		_ = ln.Close() // Shutdown closes it again
		waiting = func() bool { return false }
	}
	now := time.Now()
	e.mu.Lock()
	e.last = now
	e.mu.Unlock()
	tick := time.NewTicker(quiet / 10)
	defer tick.Stop()
	for waiting() || !e.settled(now) {
		select {
		case now = <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (e *ending) settled(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		if c.coming || c.state == http.StateNew && now.Sub(c.since) < young {
			return false
		}
	}
	return now.Sub(e.last) >= quiet
}

// tell has every read of a request fail from now on. What a handler has read
// already, and what it writes, is not touched.
func (e *ending) tell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = true
	for c, is := range e.conns {
		if is.state == http.StateNew || is.state == http.StateActive && !is.h2c && !http2(c) {
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
	}
	for w := range e.bodies {
		endRead(w)
	}
}

func endRead(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
}

// http2 reports whether c speaks HTTP/2 over TLS. Its handshake is over.
func http2(c net.Conn) bool {
	t, ok := c.(*tls.Conn)
	return ok && t.ConnectionState().NegotiatedProtocol == "h2"
}

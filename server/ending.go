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
	begun atomic.Bool // responses close their connections

	mu     sync.Mutex
	told   bool
	conns  map[net.Conn]connection
	bodies map[http.ResponseWriter]struct{} // of HTTP/2 requests under way
	last   time.Time                        // when a connection last came
}

type connection struct {
	state  http.ConnState
	since  time.Time // only of one that has sent nothing yet
	coming bool      // it has sent a request that no handler has yet
}

type connectionKey struct{}

func newEnding() *ending {
	return &ending{conns: make(map[net.Conn]connection), bodies: make(map[http.ResponseWriter]struct{})}
}

// connState is the [http.Server]'s hook.
func (e *ending) connState(c net.Conn, state http.ConnState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch state {
	case http.StateNew:
		e.last = time.Now()
		e.conns[c] = connection{state: state, since: e.last}
	case http.StateActive, http.StateIdle:
		e.conns[c] = connection{state: state, coming: state == http.StateActive && e.begun.Load()}
	default:
		delete(e.conns, c)
	}
}

// connContext is the [http.Server]'s hook.
func (e *ending) connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// layer notes which requests have come through, once that matters, and the bodies
// that HTTP/2 clients send: a read deadline of their connection would end the other
// requests on it too.
func (e *ending) layer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.begun.Load() {
			e.arrived(r)
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

func (e *ending) arrived(r *http.Request) {
	c, _ := r.Context().Value(connectionKey{}).(net.Conn)
	e.mu.Lock()
	defer e.mu.Unlock()
	if is, ok := e.conns[c]; ok {
		is.coming = false
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
		if is.state == http.StateNew || is.state == http.StateActive && !http2(c) {
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

// http2 reports whether c speaks HTTP/2. Its handshake is over.
func http2(c net.Conn) bool {
	t, ok := c.(*tls.Conn)
	return ok && t.ConnectionState().NegotiatedProtocol == "h2"
}

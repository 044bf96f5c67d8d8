package server

import (
	"context"
	"crypto/tls"
	"net"
)

type endingKey struct{}

// Ending returns a channel that is closed when the [Server] of a request begins to
// end: it accepts no connection any more, its lame duck is over, and what is under way
// has [Config].ShutdownTimeout left. Ctx is the request's context. Handlers of what
// goes on without an end wait for it: a stream of events returns, and a WebSocket is
// closed with the code 1001 (going away), so that its client connects to another
// server. Those that do not are told two thirds of that time later, by ctx itself, and
// closed at its end. Outside a Server the channel is nil, which blocks for ever.
func Ending(ctx context.Context) <-chan struct{} {
	if e, ok := ctx.Value(endingKey{}).(*ending); ok {
		return e.ends
	}
	return nil
}

// A hold is a connection's place in ending.taken. It is the owner's that took it over
// from net/http, which forgets it.
type hold struct{ e *ending }

// What the owner gets has every method that the connection has, so that sendfile,
// ConnectionState, File and the like stay in reach.
type (
	heldTCP struct {
		*net.TCPConn
		*hold
	}
	heldUnix struct {
		*net.UnixConn
		*hold
	}
	heldTLS struct {
		*tls.Conn
		*hold
	}
	heldConn struct {
		net.Conn
		*hold
	}
)

// Close implements [net.Conn].
func (c heldTCP) Close() error { defer c.free(); return c.TCPConn.Close() }

// Close implements [net.Conn].
func (c heldUnix) Close() error { defer c.free(); return c.UnixConn.Close() }

// Close implements [net.Conn].
func (c heldTLS) Close() error { defer c.free(); return c.Conn.Close() }

// Close implements [net.Conn].
func (c heldConn) Close() error { defer c.free(); return c.Conn.Close() }

// take notes a connection until its owner closes it.
func (e *ending) take(c net.Conn) net.Conn {
	h, under := &hold{e}, c
	var held net.Conn
	switch c := c.(type) {
	case *net.TCPConn:
		held = heldTCP{c, h}
	case *net.UnixConn:
		held = heldUnix{c, h}
	case *tls.Conn:
		held = heldTLS{c, h}
		under = c.NetConn() // to close TLS waits for a peer that does not read
	default:
		held = heldConn{c, h}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		_ = under.Close()
	} else {
		e.taken[h] = under
	}
	return held
}

// free forgets the connection.
func (h *hold) free() {
	h.e.mu.Lock()
	defer h.e.mu.Unlock()
	delete(h.e.taken, h)
	select {
	case h.e.freed <- struct{}{}:
	default: // it is told already
	}
}

// givenBack waits until the owners of all connections have closed them.
func (e *ending) givenBack(ctx context.Context) error {
	for e.holds() > 0 {
		select {
		case <-e.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (e *ending) holds() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.taken)
}

// closeTaken closes the connections that handlers have taken over, and those that they
// still take.
func (e *ending) closeTaken() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	for _, c := range e.taken {
		_ = c.Close()
	}
	clear(e.taken)
}

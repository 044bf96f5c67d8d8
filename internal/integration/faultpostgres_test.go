package integration_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mortalPostgres is the machine's PostgreSQL as a server that hangs, goes away and
// comes back: a proxy in front of it, for other tests use it meanwhile.
type mortalPostgres struct {
	t      testing.TB
	direct string // URL past the proxy
	dsn    string // URL of the proxy
	addr   string // of the proxy
	to     string
	calls  atomic.Int64 // times that a client waited for an answer

	all sync.WaitGroup
	mu  sync.Mutex
	ln  net.Listener
	// conns are those of clients and those to PostgreSQL.
	conns map[net.Conn]bool
	flows chan struct{} // closed while the server does not hang
}

func newMortalPostgres(t testing.TB) *mortalPostgres {
	t.Helper()
	p := &mortalPostgres{t: t, direct: postgresSchema(t), addr: "127.0.0.1:0", conns: map[net.Conn]bool{}, flows: make(chan struct{})}
	close(p.flows)
	u, err := url.Parse(p.direct)
	require.NoError(t, err)
	p.to = u.Host
	p.start()
	p.addr = p.ln.Addr().String()
	u.Host = p.addr
	p.dsn = u.String()
	t.Cleanup(func() { p.cont(); p.stop(); p.all.Wait() })
	return p
}

// start takes connections, until stop.
func (p *mortalPostgres) start() {
	p.t.Helper()
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", p.addr)
	require.NoError(p.t, err)
	p.mu.Lock()
	p.ln = ln
	p.mu.Unlock()
	p.all.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.serve(client) })
		}
	})
}

// stop refuses connections, and cuts those that are there.
func (p *mortalPostgres) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.ln.Close()
	for c := range p.conns {
		_ = c.Close()
	}
}

// hang takes connections and requests, and answers nothing until cont. As with a
// process that was stopped, what was sent meanwhile is carried out then.
func (p *mortalPostgres) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flows = make(chan struct{})
}

func (p *mortalPostgres) cont() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
	default:
		close(p.flows)
	}
}

func (p *mortalPostgres) await() {
	p.mu.Lock()
	flows := p.flows
	p.mu.Unlock()
	<-flows
}

// keep closes c with the server, or as soon as done is called.
func (p *mortalPostgres) keep(c net.Conn) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
		_ = c.Close()
	}
}

func (p *mortalPostgres) serve(client net.Conn) {
	defer p.keep(client)()
	from := bufio.NewReader(client)
	startup, err := pgMessage(from, 0)
	if err != nil {
		return
	}
	p.await()
	// Who has left meanwhile takes no place of PostgreSQL's hundred.
	if client.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return
	}
	if _, err := from.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if client.SetReadDeadline(time.Time{}) != nil {
		return
	}
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		return
	}
	done := p.keep(server)
	defer done()
	if _, err := server.Write(startup); err != nil {
		return
	}
	p.all.Go(func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			p.await()
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	for {
		m, err := pgMessage(from, 1)
		if err != nil {
			return
		}
		if m[0] == 'Q' || m[0] == 'S' { // a simple query, or Sync
			p.calls.Add(1)
		}
		p.await()
		if _, err := server.Write(m); err != nil {
			return
		}
	}
}

// pgMessage reads one message of the protocol: its type, of which the first of a
// connection has none, and its length, which counts itself.
func pgMessage(r *bufio.Reader, typed int) ([]byte, error) {
	head, err := r.Peek(typed + 4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[typed:])
	if n < 4 || n > 1<<20 {
		return nil, errors.New("no message of PostgreSQL's")
	}
	m := make([]byte, typed+int(n))
	_, err = io.ReadFull(r, m)
	return m, err
}

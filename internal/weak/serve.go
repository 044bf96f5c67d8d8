package weak

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"time"
)

// Serve serves the service on ln until ctx is done, with the weaknesses that are a
// server's own.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	// Long enough that an honest request gets through on a busy machine.
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second}
	if s.on("slow-header") {
		srv.ReadHeaderTimeout, srv.ReadTimeout = time.Minute, 3*time.Second
	}
	if s.on("slow-body") {
		srv.ReadHeaderTimeout, srv.ReadTimeout = 5*time.Second, time.Minute
	}
	if s.on("smuggling") {
		ln = lenient{ln}
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err := srv.Serve(ln)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// lenient is a listener in front of a server that mends what it should refuse.
type lenient struct{ net.Listener }

func (l lenient) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return lenientConn{conn}, err
}

type lenientConn struct{ net.Conn }

func (c lenientConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	copy(b[:n], bytes.ReplaceAll(b[:n], []byte("Content-Length: +4"), []byte("Content-Length:  4")))
	return n, err
}

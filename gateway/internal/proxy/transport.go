package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// A Resolver maps host names to addresses (with or without a port) in place of
// DNS.
type Resolver map[string]string

// IsAddress reports whether s is one to which a Resolver may map.
func IsAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

// lookup returns the address to dial for host:port.
func (r Resolver) lookup(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	to, ok := r[host]
	if !ok {
		return addr
	}
	if _, _, err := net.SplitHostPort(to); err == nil {
		return to
	}
	return net.JoinHostPort(to, port)
}

// millis is a time of a conf.Service.
func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// newTransport returns a transport with the timeouts and the trust of s. It
// speaks HTTP/1.1, as Kong does.
func newTransport(s *conf.Service, cas []*conf.CACertificate, names Resolver) *http.Transport {
	dialer := &net.Dialer{Timeout: millis(s.ConnectTimeout)}
	read, write := millis(s.ReadTimeout), millis(s.WriteTimeout)
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, names.lookup(addr))
			if err != nil {
				return nil, err
			}
			// A conn that gave up on the response before the transport does would look
			// broken to it, and the transport asks a reused one's server again.
			return &conn{Conn: c, read: read + read/4, write: write, born: time.Now()}, nil
		},
		Protocols:              new(http.Protocols),
		DisableCompression:     true, // what the client and the upstream agree on is theirs
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        min(55*time.Second, read/2), // before the read timeout of conn closes it
		ResponseHeaderTimeout:  read,
		TLSHandshakeTimeout:    millis(s.ConnectTimeout),
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         8 << 10,
		WriteBufferSize:        8 << 10,
	}
	t.Protocols.SetHTTP1(true)
	if s.Protocol == "https" {
		verify := s.TLSVerify == nil || *s.TLSVerify
		t.TLSClientConfig = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: !verify, //nolint:gosec // only where the configuration says tls_verify: false
		}
		if len(s.CACertificates) > 0 {
			pool := x509.NewCertPool()
			for _, ref := range s.CACertificates {
				for _, ca := range cas {
					if conf.Ref(ca.ID) == ref {
						pool.AppendCertsFromPEM([]byte(ca.Cert))
					}
				}
			}
			t.TLSClientConfig.RootCAs = pool
		}
	}
	return t
}

// conn ends when nothing moves for as long as its timeouts say, or up to an eighth
// less: deadlines are not set anew for each part.
type conn struct {
	net.Conn
	read, write     time.Duration
	born            time.Time
	readAt, writeAt atomic.Int64 // when the deadlines were set last, in nanoseconds since born; 0: never
}

// due reports whether a deadline that was set at last has to be set anew.
func due(last *atomic.Int64, now int64, timeout time.Duration) bool {
	then := last.Load()
	if then != 0 && now-then < int64(timeout/8) {
		return false
	}
	last.Store(now)
	return true
}

func (c *conn) age() int64 { return max(int64(time.Since(c.born)), 1) }

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.waitRead(c.age()); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *conn) waitRead(now int64) error {
	if !due(&c.readAt, now, c.read) {
		return nil
	}
	return c.SetReadDeadline(time.Now().Add(c.read))
}

// Write also gives the response its time anew: the transport waits for it in a
// Read that began before the request was sent.
func (c *conn) Write(p []byte) (int, error) {
	now := c.age()
	if err := c.waitRead(now); err != nil {
		return 0, err
	}
	if due(&c.writeAt, now, c.write) {
		if err := c.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

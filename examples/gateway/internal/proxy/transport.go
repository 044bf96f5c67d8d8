package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"github.com/ecolaura/rampart/examples/gateway/internal/conf"
)

// A Resolver maps host names to addresses (with or without a port) in place of
// DNS.
type Resolver map[string]string

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
			return &conn{Conn: c, read: read, write: write}, nil
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

// conn ends when nothing moves for as long as its timeouts say.
type conn struct {
	net.Conn
	read, write time.Duration
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.read)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write also gives the answer its time anew: the transport waits for it in a
// Read that began before the request was sent.
func (c *conn) Write(p []byte) (int, error) {
	now := time.Now()
	if err := cmp.Or(c.SetWriteDeadline(now.Add(c.write)), c.SetReadDeadline(now.Add(c.read))); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

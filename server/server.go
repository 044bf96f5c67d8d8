package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// Config configures a [Server]. Handler is required; every other zero
// value takes a default that keeps one slow or greedy connection from holding
// what others need.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Handler serves every request, "OPTIONS *" too, inside [Recover].
	Handler http.Handler

	// Addr to listen on for [Server.ListenAndServe], such as "127.0.0.1:8080" or
	// "unix:/run/api/http.sock"; see [Listen].
	Addr string

	// TLSConfig, if not nil, makes the server speak TLS (and HTTP/2). It needs
	// a certificate or GetCertificate. The server keeps a clone.
	TLSConfig *tls.Config

	// Protocols that are served; nil: HTTP/1, and over TLS HTTP/2. UnencryptedHTTP2
	// (h2c) belongs behind a proxy only, on an address that nobody else reaches: what a
	// browser sends must be encrypted, and no browser speaks h2c. All limits and the
	// drain hold for it. The server keeps a copy.
	Protocols *http.Protocols

	// HTTP2 has further limits of HTTP/2, such as MaxConcurrentStreams (0: 250 of each
	// connection); nil: net/http's. A WriteByteTimeout of 0 is WriteTimeout: what one
	// connection does not take for so long closes it. The server keeps a copy.
	HTTP2 *http.HTTP2Config

	// BaseContext, if not nil, is called once, as Serve begins. The contexts of all
	// requests have the values of what it returns, in place of those of Serve's context.
	// That it is done has no effect: the drain tells requests, when it is time. It must
	// not return nil.
	BaseContext func(ln net.Listener) context.Context

	// ConnContext, if not nil, is called for each new connection, as that of
	// [http.Server] is. It must not return nil.
	ConnContext func(ctx context.Context, c net.Conn) context.Context

	// ConnState, if not nil, is called when a connection changes its state, as that of
	// [http.Server] is: by several goroutines at a time.
	ConnState func(c net.Conn, state http.ConnState)

	ReadHeaderTimeout time.Duration // for the request's header; 0: 5 s (slow-header attacks)
	ReadTimeout       time.Duration // for the whole request; 0: 30 s (slow-body attacks)
	WriteTimeout      time.Duration // from the end of the header to the end of the response; 0: 60 s; see [Streaming]
	IdleTimeout       time.Duration // between requests; 0: 120 s
	MaxHeaderBytes    int           // for the request line and header; 0: 32 KiB. More is answered 431 by net/http

	// LameDuck is how long the server still serves, new connections too, after
	// its context is done, so that load balancers see Health fail and send nothing
	// more before it stops to listen; 0: not at all, 1 minute at most. Every
	// response then closes its connection.
	LameDuck time.Duration

	// ShutdownTimeout bounds how long requests under way may take to end after
	// that; 0: 10 s. When two thirds of it have passed they are told to: their
	// contexts are cancelled, with the cause [http.ErrServerClosed], and bodies that
	// do not come fail to be read. Connections still busy at its end are closed, and so
	// are those that handlers have taken over (WebSockets): see [Ending].
	ShutdownTimeout time.Duration

	// Health, if not nil, is drained as the context is done: it is not ready from
	// then on. Several servers may share it.
	Health *Health

	// Logger receives panics and net/http's own complaints; nil: [slog.Default].
	Logger *slog.Logger
}

// Read-only.
var (
	errZero  = errors.New("server: a zero Server does not serve")
	errTwice = fmt.Errorf("server: Serve may be called once: %w", http.ErrServerClosed)
)

// A Server is an [http.Server] with safe limits that ends with a context.
// Create one with [New]. The zero value does not serve.
type Server struct {
	srv      *http.Server
	lameDuck time.Duration
	shutdown time.Duration
	health   *Health
	ending   *ending
	base     func(net.Listener) context.Context // nil: Serve's
	used     atomic.Bool
}

// New returns a Server for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func New(cfg Config) (*Server, error) {
	bad := conferr.For("server.Config")
	bad.If(cfg.Handler == nil, "Handler", rampart.ReasonMissing, nil, "give the handler that serves the requests")
	c := cfg.TLSConfig
	bad.If(c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil, "TLSConfig", rampart.ReasonMissing, nil,
		"it needs Certificates or GetCertificate, as the tls.Config of tlsconf.Reloader has")
	if p := cfg.Protocols; p != nil {
		bad.If(c == nil && !p.HTTP1() && !p.UnencryptedHTTP2(), "Protocols", rampart.ReasonMissing, nil, "without TLS, HTTP1 or UnencryptedHTTP2 has to be set")
		bad.If(c != nil && !p.HTTP1() && !p.HTTP2(), "Protocols", rampart.ReasonMissing, nil, "over TLS, HTTP1 or HTTP2 has to be set")
		bad.If(c != nil && p.UnencryptedHTTP2(), "Protocols", rampart.ReasonConflict, nil, "a server with a TLSConfig serves nothing unencrypted; leave UnencryptedHTTP2 out")
	}
	bad.If(cfg.MaxHeaderBytes < 0, "MaxHeaderBytes", rampart.ReasonInvalid, cfg.MaxHeaderBytes, "use 1 byte or more; 0 means 32 KiB")
	bad.If(cfg.LameDuck < 0 || cfg.LameDuck > time.Minute, "LameDuck", rampart.ReasonInvalid, cfg.LameDuck, "use up to 1m; 0 means no lame duck")
	for _, d := range []struct {
		field string
		value *time.Duration
		zero  time.Duration
	}{
		{"ReadHeaderTimeout", &cfg.ReadHeaderTimeout, 5 * time.Second},
		{"ReadTimeout", &cfg.ReadTimeout, 30 * time.Second},
		{"WriteTimeout", &cfg.WriteTimeout, time.Minute},
		{"IdleTimeout", &cfg.IdleTimeout, 2 * time.Minute},
		{"ShutdownTimeout", &cfg.ShutdownTimeout, 10 * time.Second},
	} {
		bad.If(*d.value < 0, d.field, rampart.ReasonInvalid, *d.value, // net/http would take it for "no limit"
			"a server without this limit can be held up; use more than 0, or 0 for "+d.zero.String())
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if cfg.MaxHeaderBytes == 0 {
		cfg.MaxHeaderBytes = 32 << 10
	}
	limits := &http.HTTP2Config{}
	if cfg.HTTP2 != nil {
		limits = copied(cfg.HTTP2)
	}
	if limits.WriteByteTimeout == 0 {
		limits.WriteByteTimeout = cfg.WriteTimeout
	}
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	e := newEnding()
	e.userState, e.userContext = cfg.ConnState, cfg.ConnContext
	return &Server{
		base:     cfg.BaseContext,
		lameDuck: cfg.LameDuck,
		shutdown: cfg.ShutdownTimeout,
		health:   cfg.Health,
		ending:   e,
		srv: &http.Server{
			Addr:                         cfg.Addr,
			Handler:                      e.layer(recovering(rampart.NewReporter(cfg.Logger, "server"), cfg.Handler, e)),
			ConnState:                    e.connState,
			ConnContext:                  e.connContext,
			TLSConfig:                    cfg.TLSConfig.Clone(),
			Protocols:                    copied(cfg.Protocols),
			HTTP2:                        limits,
			ReadHeaderTimeout:            cfg.ReadHeaderTimeout,
			ReadTimeout:                  cfg.ReadTimeout,
			WriteTimeout:                 cfg.WriteTimeout,
			IdleTimeout:                  cfg.IdleTimeout,
			MaxHeaderBytes:               cfg.MaxHeaderBytes,
			DisableGeneralOptionsHandler: true,                                              // its response to "OPTIONS *" has none of the layers' headers
			ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug), // a port scan is no incident
		},
	}, nil
}

// copied returns a copy of what p points to, or nil.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	own := *p
	return &own
}

// ListenAndServe listens on the configured address, as [Listen] does, and serves
// until ctx is done; see [Server.Serve].
func (s *Server) ListenAndServe(ctx context.Context) error {
	if s.srv == nil {
		return errZero
	}
	ln, err := Listen(ctx, s.srv.Addr)
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}

// values returns the context whose values requests have.
func (s *Server) values(ctx context.Context, ln net.Listener) context.Context {
	if s.base != nil {
		return s.base(ln)
	}
	return ctx
}

// Serve accepts connections of ln until ctx is done, goes on to for the lame-duck
// time, closes ln, and lets the requests under way, and the connections that handlers
// have taken over, end within the shutdown timeout.
// It returns nil after an orderly end, and otherwise what kept the server from
// serving or ending; nothing is served any more then. It may be called once: the next
// time it closes ln and returns an error that wraps [http.ErrServerClosed].
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.srv == nil {
		return errZero
	}
	if s.used.Swap(true) {
		return errors.Join(errTwice, ln.Close())
	}
	requests, tell := context.WithCancelCause(context.WithoutCancel(context.WithValue(s.values(ctx, ln), endingKey{}, s.ending)))
	defer tell(http.ErrServerClosed) // for handlers that run on
	s.srv.BaseContext = func(net.Listener) context.Context { return requests }
	served := make(chan error, 1)
	go func() {
		if s.srv.TLSConfig != nil {
			served <- s.srv.ServeTLS(ln, "", "")
			return
		}
		served <- s.srv.Serve(ln)
	}()
	select {
	case err := <-served:
		return errors.Join(err, s.close())
	case <-ctx.Done():
	}
	s.ending.begun.Store(true)
	if s.health != nil {
		s.health.Drain()
	}
	select {
	case err := <-served:
		return errors.Join(err, s.close())
	case <-time.After(s.lameDuck):
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.shutdown)
	defer cancel()
	defer time.AfterFunc(s.shutdown*2/3, func() {
		tell(http.ErrServerClosed)
		s.ending.tell()
	}).Stop()
	if s.lameDuck > 0 {
		s.ending.closeDoor(end, ln)
	}
	close(s.ending.ends)
	err := s.srv.Shutdown(end)
	if errors.Is(err, net.ErrClosed) { // closeDoor has closed ln
		err = nil
	}
	if err == nil {
		err = s.ending.givenBack(end)
	}
	s.ending.closeTaken()
	if err != nil {
		err = errors.Join(err, s.srv.Close())
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, net.ErrClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// close closes everything at once.
func (s *Server) close() error {
	close(s.ending.ends)
	s.ending.closeTaken()
	return s.srv.Close()
}

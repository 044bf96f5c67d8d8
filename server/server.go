package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
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

	// Addr to listen on for [Server.ListenAndServe], such as "127.0.0.1:8080".
	Addr string

	// TLSConfig, if not nil, makes the server speak TLS (and HTTP/2). It needs
	// a certificate or GetCertificate. The server keeps a clone.
	TLSConfig *tls.Config

	ReadHeaderTimeout time.Duration // for the request's header; 0: 5 s (slow-header attacks)
	ReadTimeout       time.Duration // for the whole request; 0: 30 s (slow-body attacks)
	WriteTimeout      time.Duration // from the end of the header to the end of the answer; 0: 60 s
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
	// do not come fail to be read. Connections still busy at its end are closed.
	ShutdownTimeout time.Duration

	// Health, if not nil, is drained as the context is done: it is not ready from
	// then on. Several servers may share it.
	Health *Health

	// Logger receives panics and net/http's own complaints; nil: [slog.Default].
	Logger *slog.Logger
}

var errZero = errors.New("server: a zero Server does not serve") // read-only

// A Server is an [http.Server] with safe limits that ends with a context.
// Create one with [New]. The zero value does not serve.
type Server struct {
	srv      *http.Server
	lameDuck time.Duration
	shutdown time.Duration
	health   *Health
	ending   *ending
}

// New returns a Server for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func New(cfg Config) (*Server, error) {
	bad := conferr.For("server.Config")
	bad.If(cfg.Handler == nil, "Handler", rampart.ReasonMissing, nil, "give the handler that serves the requests")
	c := cfg.TLSConfig
	bad.If(c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil, "TLSConfig", rampart.ReasonMissing, nil,
		"it needs Certificates or GetCertificate, as the tls.Config of tlsconf.Reloader has")
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
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	e := newEnding()
	return &Server{
		lameDuck: cfg.LameDuck,
		shutdown: cfg.ShutdownTimeout,
		health:   cfg.Health,
		ending:   e,
		srv: &http.Server{
			Addr:                         cfg.Addr,
			Handler:                      e.layer(recovering(rampart.NewReporter(cfg.Logger), cfg.Handler, &e.begun)),
			ConnState:                    e.connState,
			ConnContext:                  e.connContext,
			TLSConfig:                    cfg.TLSConfig.Clone(),
			ReadHeaderTimeout:            cfg.ReadHeaderTimeout,
			ReadTimeout:                  cfg.ReadTimeout,
			WriteTimeout:                 cfg.WriteTimeout,
			IdleTimeout:                  cfg.IdleTimeout,
			MaxHeaderBytes:               cfg.MaxHeaderBytes,
			DisableGeneralOptionsHandler: true,                                              // its answer to "OPTIONS *" has none of the layers' headers
			ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug), // a port scan is no incident
		},
	}, nil
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

// Serve accepts connections of ln until ctx is done, goes on to for the lame-duck
// time, closes ln, and lets the requests under way end within the shutdown timeout.
// It returns nil after an orderly end, and otherwise what kept the server from
// serving or ending; nothing is served any more then. It may be called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.srv == nil {
		return errZero
	}
	requests, tell := context.WithCancelCause(context.WithoutCancel(ctx))
	defer tell(http.ErrServerClosed) // for connections that a handler has taken over
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
		return errors.Join(err, s.srv.Close())
	case <-ctx.Done():
	}
	s.ending.begun.Store(true)
	if s.health != nil {
		s.health.Drain()
	}
	select {
	case err := <-served:
		return errors.Join(err, s.srv.Close())
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
	err := s.srv.Shutdown(end)
	if errors.Is(err, net.ErrClosed) { // closeDoor has closed ln
		err = nil
	}
	if err != nil {
		err = errors.Join(err, s.srv.Close())
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, net.ErrClosed) {
		err = errors.Join(err, e)
	}
	return err
}

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

	// ShutdownTimeout bounds how long requests under way may take to end once
	// the context is done; 0: 10 s. Connections still busy then are closed.
	ShutdownTimeout time.Duration

	// Logger receives panics and net/http's own complaints; nil: [slog.Default].
	Logger *slog.Logger
}

// A Server is an [http.Server] with safe limits that ends with a context.
// Create one with [New]. The zero value does not serve.
type Server struct {
	srv      *http.Server
	shutdown time.Duration
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
	return &Server{
		shutdown: cfg.ShutdownTimeout,
		srv: &http.Server{
			Addr:                         cfg.Addr,
			Handler:                      Recover(cfg.Logger)(cfg.Handler),
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

// ListenAndServe listens on the configured address and serves until ctx is
// done; see [Server.Serve].
func (s *Server) ListenAndServe(ctx context.Context) error {
	if s.srv == nil {
		return errors.New("server: a zero Server does not serve")
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.srv.Addr)
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}

// Serve accepts connections of ln until ctx is done, lets the requests under
// way end within the shutdown timeout, and closes ln. It returns nil after an
// orderly end, and otherwise what kept the server from serving or ending. It
// may be called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.srv == nil {
		return errors.New("server: a zero Server does not serve")
	}
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
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.shutdown)
	defer cancel()
	err := s.srv.Shutdown(end)
	if err != nil {
		err = errors.Join(err, s.srv.Close())
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

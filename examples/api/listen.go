package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ecolaura/rampart/crypto/tlsconf"
	"github.com/ecolaura/rampart/server"
)

// listeners are the addresses of one instance.
type listeners struct {
	main    net.Listener
	plain   net.Listener // redirects to main; nil: none
	admin   net.Listener // nil: none
	handler http.Handler // of admin
}

// listen takes every address, or none.
func (srv *instance) listen(ctx context.Context, s *settings) (_ *listeners, err error) {
	var l listeners
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.main, err = server.Listen(ctx, s.addr); err != nil {
		return nil, err
	}
	if s.httpAddr != "" {
		if l.plain, err = server.Listen(ctx, s.httpAddr); err != nil {
			return nil, err
		}
	}
	if s.adminAddr == adminOff {
		return &l, nil
	}
	if l.handler, err = srv.admin(s); err != nil {
		return nil, err
	}
	l.admin, err = server.Listen(ctx, s.adminAddr)
	return &l, err
}

func (l *listeners) close() {
	for _, ln := range []net.Listener{l.main, l.plain, l.admin} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// adminAddr is empty without a listener for operators.
func (l *listeners) adminAddr() string {
	if l.admin == nil {
		return ""
	}
	return l.admin.Addr().String()
}

// shutdownTime is for requests under way, and closeTime for what is pending then: with
// them, a second for operators and one for the log an end takes 9 s at most, and -drain
// more.
const shutdownTime = 5 * time.Second

// serve runs a server on each address, the first with TLS if there are certificates,
// until ctx is done, or one of them fails. Operators are served until the others have
// ended.
func (l *listeners) serve(ctx context.Context, s *settings, srv *instance, certs *tlsconf.Reloader) error {
	cfg := server.Config{Handler: srv.handler, Health: srv.health, LameDuck: s.drain, ShutdownTimeout: shutdownTime, Logger: srv.log}
	plain, err1 := server.New(cfg)
	if certs != nil {
		cfg.TLSConfig = certs.TLSConfig()
	}
	main, err2 := server.New(cfg)
	if err := errors.Join(err1, err2); err != nil {
		l.close()
		return err
	}
	endAdmin := l.serveAdmin(ctx, srv)
	defer endAdmin()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 2)
	run := func(web *server.Server, ln net.Listener) {
		defer cancel()
		if ln == nil {
			<-ctx.Done()
			done <- nil
			return
		}
		done <- web.Serve(ctx, ln)
	}
	go run(main, l.main)
	go run(plain, l.plain)
	return errors.Join(<-done, <-done)
}

// serveAdmin serves operators until the function that it returns is called.
func (l *listeners) serveAdmin(ctx context.Context, srv *instance) (end func()) {
	if l.admin == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		web, err := server.New(server.Config{Handler: l.handler, ShutdownTimeout: time.Second, Logger: srv.log})
		if err == nil {
			err = web.Serve(ctx, l.admin)
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			srv.log.LogAttrs(ctx, slog.LevelError, "operators are not served", slog.String("error", err.Error()))
		}
	}()
	return func() { cancel(); <-done }
}

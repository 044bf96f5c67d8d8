// Command api is the Ecolaura marketplace API: every rampart layer around a
// small service on an embedded SQLite file. It needs no set-up:
//
//	go run ./examples/api
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/tlsconf"
	"github.com/ecolaura/rampart/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run serves until ctx is done. It returns the exit status: 2 for a wrong flag
// or environment variable, 1 if the server could not start or end.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	s, err := parse(args, getenv, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return complain(stderr, err, 2)
	}
	if s.version {
		fmt.Fprintln(stdout, "api", version())
		return 0
	}
	log := slog.New(s.logHandler(stderr))
	if len(s.command) > 0 {
		c := command{s: s, log: log, in: stdin, out: stdout, prompt: stderr}
		if err := c.run(ctx); err != nil {
			return complain(stderr, err, exitStatus(err))
		}
		return 0
	}
	srv, err := open(ctx, s, log)
	if err != nil {
		return complain(stderr, err, exitStatus(err))
	}
	defer srv.close() //nolint:contextcheck // ctx is done by then

	var certs *tlsconf.Reloader
	if s.tlsCert != "" { // a renewed certificate is followed on disk
		if certs, err = tlsconf.New(tlsconf.Config{CertFile: s.tlsCert, KeyFile: s.tlsKey, Logger: srv.log}); err != nil { //nolint:contextcheck // it follows the files until Close
			return complain(stderr, err, exitStatus(err))
		}
		defer func() { _ = certs.Close() }() //nolint:contextcheck // ctx is done by then
	}
	ln, err := server.Listen(ctx, s.addr)
	if err != nil {
		return complain(stderr, err, 1)
	}
	listeners := []net.Listener{ln}
	if s.httpAddr != "" {
		plain, err := server.Listen(ctx, s.httpAddr)
		if err != nil {
			_ = ln.Close()
			return complain(stderr, err, 1)
		}
		listeners = append(listeners, plain)
	}
	srv.greet(stdout, s, ln.Addr().String()) //nolint:contextcheck // its checks belong to no request
	if err := serve(ctx, s, srv, certs, listeners); err != nil {
		return complain(stderr, err, 1)
	}
	fmt.Fprintln(stdout, "Stopped: every request was answered.")
	return 0
}

// complain prints every mistake on a line of its own.
func complain(w io.Writer, err error, status int) int {
	fmt.Fprintln(w, "api:", err)
	return status
}

// exitStatus tells a configuration mistake from a failure.
func exitStatus(err error) int {
	if _, ok := errors.AsType[*rampart.ConfigError](err); ok || errors.Is(err, errSettings) {
		return 2
	}
	return 1
}

// shutdownTime is for requests under way, and closeTime for what is pending then: with
// them an end takes 8 s at most, and -drain more.
const shutdownTime = 5 * time.Second

// serve runs a server on each listener, the first with TLS if there are
// certificates, until ctx is done, or one of them fails.
func serve(ctx context.Context, s *settings, srv *instance, certs *tlsconf.Reloader, listeners []net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, len(listeners))
	for i, ln := range listeners {
		cfg := server.Config{Handler: srv.handler, Health: srv.health, LameDuck: s.drain, ShutdownTimeout: shutdownTime, Logger: srv.log}
		if certs != nil && i == 0 {
			cfg.TLSConfig = certs.TLSConfig()
		}
		one, err := server.New(cfg)
		if err != nil {
			return err
		}
		go func() {
			done <- one.Serve(ctx, ln)
			cancel()
		}()
	}
	var errs []error
	for range listeners {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

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
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
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
	if len(s.command) > 0 {
		c := command{s: s, log: slog.New(s.logHandler(stderr)), in: stdin, out: stdout, prompt: stderr}
		if err := c.run(ctx); err != nil {
			return complain(stderr, err, exitStatus(err))
		}
		return 0
	}
	return serve(ctx, s, stdout, stderr)
}

// serve serves until ctx is done. It returns the exit status.
func serve(ctx context.Context, s *settings, stdout, stderr io.Writer) int {
	// What reads the log may stall, and must hold up neither a request nor the end.
	direct := slog.New(s.logHandler(stderr)) // through the queue it might be lost, too
	queue, err := server.NewLogWriter(server.LogWriterConfig{To: stderr, Lost: func(n uint64) {
		direct.LogAttrs(ctx, slog.LevelError, "log records are lost: who reads them stalled", slog.Uint64("count", n))
	}})
	if err != nil {
		return complain(stderr, err, 1)
	}
	log := slog.New(s.logHandler(queue))
	defer func() { //nolint:contextcheck // ctx is done by then
		last, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = queue.Close(last) // what it says has nowhere to go
	}()
	srv, err := open(ctx, s, log, queue.Dropped)
	if err != nil && ctx.Err() != nil { // a backend that hangs is no reason not to end
		log.LogAttrs(ctx, slog.LevelInfo, "stopped before it served")
		return 0
	}
	if err != nil {
		return complain(queue, err, exitStatus(err))
	}
	defer srv.close() //nolint:contextcheck // ctx is done by then
	stderr = queue

	var certs *tlsconf.Reloader
	if s.tlsCert != "" { // a renewed certificate is followed on disk
		if certs, err = tlsconf.New(tlsconf.Config{CertFile: s.tlsCert, KeyFile: s.tlsKey, Logger: srv.log}); err != nil { //nolint:contextcheck // it follows the files until Close
			return complain(stderr, err, exitStatus(err))
		}
		defer func() { _ = certs.Close() }() //nolint:contextcheck // ctx is done by then
	}
	l, err := srv.listen(ctx, s)
	if err != nil {
		return complain(stderr, err, exitStatus(err))
	}
	srv.greet(stdout, s, l.main.Addr().String(), l.adminAddr()) //nolint:contextcheck // its checks belong to no request
	err = l.serve(ctx, s, srv, certs)
	switch {
	case err == nil:
		log.LogAttrs(ctx, slog.LevelInfo, "stopped: every request was answered")
	case ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded): // no client can make an end a failure
		log.LogAttrs(ctx, slog.LevelWarn, "stopped: connections that were still busy were closed")
	default:
		return complain(stderr, err, 1)
	}
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

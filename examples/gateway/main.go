// Command gateway is a reverse proxy that reads Kong's declarative files and
// speaks its Admin API, with the plugins on rampart's packages.
//
//	go run ./examples/gateway -config kong.yml
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/ecolaura/rampart/examples/gateway/internal/conf"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOGC") == "" { // little lives longer than a request, so collect less often
		debug.SetGCPercent(400)
	}
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run serves until ctx is done. It returns the exit status: 2 for a wrong flag,
// environment variable or file, 1 if the server could not start or end.
func run(ctx context.Context, args []string, lookupEnv func(string) (string, bool), stdout, stderr io.Writer) int {
	s, err := parse(args, lookupEnv, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "gateway:", err)
		return 2
	}
	var text []byte
	if s.config != "" {
		if text, err = os.ReadFile(s.config); err != nil {
			fmt.Fprintln(stderr, "gateway:", err)
			return 2
		}
	}
	if s.check {
		return check(ctx, s, text, stdout, stderr)
	}
	g, err := open(ctx, s, text, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, describe(err, s.config))
		if _, ok := errors.AsType[conf.Mistakes](err); ok {
			return 2
		}
		return 1
	}
	if err := g.serve(ctx, stdout); err != nil {
		fmt.Fprintln(stderr, "gateway:", err)
		return 1
	}
	fmt.Fprintln(stdout, "Stopped: every request was answered.")
	return 0
}

// check does what open does, and leaves no trace of it.
func check(ctx context.Context, s *settings, text []byte, stdout, stderr io.Writer) int {
	g, err := open(ctx, &settings{redis: s.redis, resolve: s.resolve, trusted: s.trusted}, text, io.Discard, io.Discard)
	if err != nil {
		fmt.Fprintln(stderr, describe(err, s.config))
		return 2
	}
	defer g.close()
	f := g.engine.File()
	fmt.Fprintf(stdout, "%s: good: %d services, %d routes, %d plugins, %d consumers.\n", s.config,
		len(f.Services), len(f.Routes), len(f.Plugins), len(f.Consumers))
	return 0
}

// describe lists what is wrong with a file, one mistake on a line.
func describe(err error, file string) string {
	if ms, ok := errors.AsType[conf.Mistakes](err); ok {
		return ms.In(file)
	}
	return "gateway: " + err.Error()
}

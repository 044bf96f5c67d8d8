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
	file, err := read(s.config)
	if err != nil {
		fmt.Fprintln(stderr, describe(err, s.config))
		return 2
	}
	if s.check {
		if err := checkOnly(ctx, s, file); err != nil {
			fmt.Fprintln(stderr, describe(err, s.config))
			return 2
		}
		fmt.Fprintf(stdout, "%s: good: %d services, %d routes, %d plugins, %d consumers.\n", s.config,
			len(file.Services), len(file.Routes), len(file.Plugins), len(file.Consumers))
		return 0
	}
	g, err := open(ctx, s, file, stdout, stderr)
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

// describe lists what is wrong with a file, one mistake on a line.
func describe(err error, file string) string {
	if ms, ok := errors.AsType[conf.Mistakes](err); ok {
		return ms.In(file)
	}
	return "gateway: " + err.Error()
}

// read reads the file; without one the configuration is empty.
func read(name string) (*conf.File, error) {
	if name == "" {
		return &conf.File{}, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return conf.Parse(text)
}

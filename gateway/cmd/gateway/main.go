package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/ecolaura/rampart/gateway"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
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
	if err == nil && s.check {
		err = check(s, stdout) //nolint:contextcheck // what it makes ends with it
	}
	if err != nil {
		fmt.Fprintln(stderr, describe(err, s))
		return 2
	}
	if s.check {
		return 0
	}
	if err := serve(ctx, s, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, describe(err, s))
		if badFile(err, s) {
			return 2
		}
		return 1
	}
	fmt.Fprintln(stdout, "Stopped: every request was answered.")
	return 0
}

// serve is run, once the settings are known.
func serve(ctx context.Context, s *settings, stdout, stderr io.Writer) error {
	cfg, end, err := config(s)
	if err != nil {
		return err
	}
	defer end()
	cfg.Logger = slog.New(slog.NewJSONHandler(stderr, nil))
	switch s.accessLog {
	case "":
	case "-":
		cfg.AccessLog = stdout
	default:
		f, err := os.OpenFile(s.accessLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // log shippers read it by their group
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		cfg.AccessLog = f
	}
	cfg.AdminToken = s.adminToken
	db, dialect, err := openDatabase(s.db)
	if err != nil {
		return err
	}
	if cfg.DB, cfg.Dialect = db, dialect; db != nil {
		defer func() { _ = db.Close() }()
	}
	g, err := gateway.New(cfg) //nolint:contextcheck // it ends with Close
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	on, err := listen(ctx, s, stdout)
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				_ = g.Reload(ctx) // it is logged
			}
		}
	}()
	return g.Serve(ctx, on)
}

// config is what serving and checking have in common, and what ends it.
func config(s *settings) (gateway.Config, func(), error) {
	do, end, err := openRedis(s.redis)
	return gateway.Config{File: s.config, Redis: do, Resolve: s.resolve, Proxies: s.proxies}, end, err
}

// listen opens the listeners, and says where they are.
func listen(ctx context.Context, s *settings, stdout io.Writer) (on gateway.Listeners, err error) {
	var said strings.Builder
	for _, l := range []struct {
		name, addr string
		ln         *net.Listener
	}{{"Proxy", s.addr, &on.Proxy}, {"Proxy with TLS", s.tlsAddr, &on.TLS}, {"Admin API", s.admin, &on.Admin}} {
		if l.addr == "" {
			continue
		}
		if *l.ln, err = new(net.ListenConfig).Listen(ctx, "tcp", l.addr); err != nil {
			return on, err // the process ends, and the others with it
		}
		fmt.Fprintf(&said, "%s listens on %s\n", l.name, (*l.ln).Addr())
	}
	fmt.Fprint(stdout, said.String())
	return on, nil
}

// check does what serve does with the file, and leaves no trace of it.
func check(s *settings, stdout io.Writer) error {
	cfg, end, err := config(s)
	if err != nil {
		return err
	}
	defer end()
	cfg.Logger = slog.New(slog.DiscardHandler)
	g, err := gateway.New(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	text, err := os.ReadFile(s.config)
	if err != nil {
		return err
	}
	f, err := plugin.Types().Parse(text)
	if err != nil {
		return err
	}
	if len(f.Notes) > 0 {
		fmt.Fprintln(stdout, f.Notes.In(s.config))
	}
	fmt.Fprintf(stdout, "%s: good: %d services, %d routes, %d plugins, %d consumers.\n", s.config,
		len(f.Services), len(f.Routes), len(f.Plugins), len(f.Consumers))
	return nil
}

// badFile reports whether err is about the configuration's file.
func badFile(err error, s *settings) bool {
	_, wrong := errors.AsType[gateway.Mistakes](err)
	pe, unread := errors.AsType[*fs.PathError](err)
	return wrong || unread && pe.Path == s.config
}

// describe lists what is wrong with a file, one mistake on a line.
func describe(err error, s *settings) string {
	if ms, ok := errors.AsType[gateway.Mistakes](err); ok {
		return ms.In(s.config)
	}
	return "gateway: " + err.Error()
}

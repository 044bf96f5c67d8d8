// Command gateway embeds package gateway in your own program: the proxy on
// one address, and Kong's Admin API on another.
//
//	go run ./examples/gateway -config kong.yml
//
// The command with all flags (TLS, Redis, trusted proxies) is gateway/cmd/gateway.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/ecolaura/rampart/gateway"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	file := flags.String("config", "", "Kong's declarative `file`")
	addr := flags.String("addr", "127.0.0.1:8000", "`address` of the proxy")
	admin := flags.String("admin", "127.0.0.1:8001", "`address` of the Admin API, a loopback one")
	if err := flags.Parse(args); err != nil {
		return err
	}

	g, err := gateway.New(gateway.Config{File: *file, AccessLog: out}) //nolint:contextcheck // it ends with Close
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()

	var listen net.ListenConfig
	proxy, err := listen.Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	api, err := listen.Listen(ctx, "tcp", *admin)
	if err != nil {
		return errors.Join(err, proxy.Close())
	}
	fmt.Fprintf(out, "Proxy listens on %s\nAdmin API listens on %s\n", proxy.Addr(), api.Addr())
	return g.Serve(ctx, gateway.Listeners{Proxy: proxy, Admin: api})
}

// Command weak is a service that is there to be attacked, with the weaknesses that
// package attack looks for, and its hardened twin:
//
//	go run ./examples/weak                  all of them
//	go run ./examples/weak -hardened        none: the layers of rampart are in place
//	go run ./examples/weak -weak csrf,trace some, by the ids of rampart attack -list
//	go run ./cmd/rampart attack http://127.0.0.1:8089
//
// It listens on this machine alone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"

	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/internal/weak"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "weak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	flags := flag.NewFlagSet("weak", flag.ContinueOnError)
	flags.SetOutput(errOut)
	addr := flags.String("addr", "127.0.0.1:8089", "`address` of this machine to listen on")
	hardened := flags.Bool("hardened", false, "be the twin without weaknesses")
	ids := flags.String("weak", "", "`ids` of the weaknesses to have, with commas between them; \"\" means all")
	proxied := flags.Bool("behind-proxy", false, "take clients for proxies, as the configuration in testdata has it")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	at, err := netip.ParseAddrPort(*addr)
	if err != nil || !at.Addr().IsLoopback() {
		return fmt.Errorf("-addr: %q is no address and port of this machine, such as 127.0.0.1:8089; a weak service is for nobody else", *addr)
	}
	var chosen []string
	switch {
	case *hardened:
	case *ids != "":
		chosen = strings.Split(*ids, ",")
	default:
		for _, w := range attack.Weaknesses() {
			chosen = append(chosen, w.ID)
		}
	}
	service, err := weak.New(ctx, weak.Config{Weak: chosen, Direct: !*proxied})
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Listening on http://%s with %d weaknesses. Attack it:\n\n    go run ./cmd/rampart attack http://%[1]s\n", ln.Addr(), len(chosen))
	return service.Serve(ctx, ln)
}

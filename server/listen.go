package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// A listener has its socket for itself: its user cannot reach it, nor hand it on.
type listener struct{ net.Listener }

// Listen listens on a TCP address such as "127.0.0.1:8080". Where another program
// has the port, or this one may not have it, the error says so and what to do, and
// wraps the system's. On Linux a [Server] with a lame duck closes such a listener
// without a loss; one of another making may be shared with other processes, and is
// just closed.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	var cfg net.ListenConfig
	cfg.SetMultipathTCP(false) // Linux takes no filter for a multipath socket
	ln, err := cfg.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("server: another program listens on %s already: stop it or choose another address (%w)", addr, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("server: this program may not listen on %s: choose a port of 1024 or more, or give it CAP_NET_BIND_SERVICE (%w)", addr, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("server: this machine does not have the address %s: choose one of its own (%w)", addr, err)
	case err != nil:
		return nil, fmt.Errorf("server: %w", err)
	}
	return listener{ln}, nil
}

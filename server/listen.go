package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// A listener has its socket for itself: its user cannot reach it, nor hand it on.
type listener struct{ net.Listener }

// Listen listens on a TCP address such as "127.0.0.1:8080", or on a Unix socket such as
// "unix:/run/api/http.sock". Where another program
// has the port, or this one may not have it, the error says so and what to do, and
// wraps the system's. On Linux a [Server] with a lame duck closes such a listener
// without a loss; one of another making may be shared with other processes, and is
// just closed.
//
// The file of a Unix socket has the mode 0660: the owner's and the group's programs may
// connect. One that is left from a program that has crashed is replaced; one that
// somebody listens on, or a file that is no socket, is not. It goes when the listener is
// closed. See [rampart.Proxies].UnixSocket for a proxy that connects to it.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(ctx, path)
	}
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

// A unixListener has its file for itself.
type unixListener struct{ *net.UnixListener }

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if path == "" || path[0] == '@' {
		return nil, fmt.Errorf("server: %q is no path: every program on this machine may connect to a socket without a file; write unix:/run/api/http.sock", path)
	}
	var cfg net.ListenConfig
	ln, err := cfg.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		switch is, statErr := os.Lstat(path); {
		case statErr == nil && is.Mode().Type() != os.ModeSocket:
			return nil, fmt.Errorf("server: %s is a file that is no socket: choose another path (%w)", path, err)
		case !abandoned(ctx, path):
			return nil, fmt.Errorf("server: another program listens on %s already: stop it or choose another path (%w)", path, err)
		}
		_ = os.Remove(path) // if it stays, the next line says so
		ln, err = cfg.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil { //nolint:gosec // the proxy is of the group
		return nil, fmt.Errorf("server: %w", errors.Join(err, ln.Close()))
	}
	return &unixListener{ln.(*net.UnixListener)}, nil //nolint:forcetypeassert // package net says so
}

// abandoned reports whether nobody listens on a socket.
func abandoned(ctx context.Context, path string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// hide removes the file, so that a client is refused a new connection; those that wait
// are still accepted. It is not removed again: by then it may be another program's.
func (l *unixListener) hide() {
	_ = os.Remove(l.Addr().String())
	l.SetUnlinkOnClose(false)
}

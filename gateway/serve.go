package gateway

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/engine"
	"github.com/ecolaura/rampart/server"
)

// Listeners are where [Gateway.Serve] serves; one that is nil is off.
type Listeners struct {
	Proxy net.Listener // plain http
	TLS   net.Listener // https and HTTP/2, by the configuration's certificates; TCP, without TLS of its own
	Admin net.Listener // the Admin API; other than on a loopback address only with Config.AdminToken
}

// long is no limit: the engine sets one of its own for each part of a body.
const long = 24 * time.Hour

// Serve serves on every listener, and follows Config.File, until ctx is done or a
// listener fails. Requests under way may then end, for 10 s. It closes the
// listeners in any case. It does not close the Gateway.
func (g *Gateway) Serve(ctx context.Context, on Listeners) error {
	var servers []func(context.Context) error
	var errs []error
	add := func(ln net.Listener, cfg server.Config) {
		if ln == nil {
			return
		}
		cfg.Logger = g.log
		srv, err := server.New(cfg)
		if err != nil {
			errs = append(errs, err)
		}
		servers = append(servers, func(ctx context.Context) error { return srv.Serve(ctx, ln) })
	}
	add(on.Proxy, server.Config{Handler: g, ReadTimeout: long, WriteTimeout: engine.WriteTimeout})
	add(on.TLS, server.Config{Handler: g, ReadTimeout: long, WriteTimeout: long, TLSConfig: g.TLSConfig()})
	add(on.Admin, server.Config{Handler: g.Admin(), ReadTimeout: cmp.Or(g.bodyTimeout, engine.BodyTimeout), WriteTimeout: engine.WriteTimeout})
	switch {
	case g.engine == nil:
		errs = append(errs, errZero)
	case len(servers) == 0:
		errs = append(errs, &rampart.ConfigError{Type: "gateway.Listeners", Field: "Proxy", Reason: rampart.ReasonMissing, Want: "give one listener at least: Proxy, TLS or Admin"})
	case on.Admin != nil && !g.token && reachable(on.Admin.Addr()):
		errs = append(errs, &rampart.ConfigError{
			Type: "gateway.Config", Field: "AdminToken", Reason: rampart.ReasonMissing, Value: on.Admin.Addr().String(),
			Want: "others can reach the admin listener; set a token, or listen on a loopback address",
		})
	}
	if len(errs) > 0 {
		for _, ln := range []net.Listener{on.Proxy, on.TLS, on.Admin} {
			if ln != nil {
				_ = ln.Close()
			}
		}
		return errors.Join(errs...)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, len(servers))
	for _, serve := range servers {
		go func() {
			done <- serve(ctx)
			cancel() // one that fails ends the others
		}()
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		g.reloads.follow(ctx)
	}()
	for range servers {
		errs = append(errs, <-done)
	}
	<-followed
	return errors.Join(errs...)
}

// reachable reports whether a listener's address is one of another machine's, too.
func reachable(addr net.Addr) bool {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return !addr.IP.IsLoopback()
	case *net.UnixAddr:
		return false
	default: // such as a tunnel's
		return true
	}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/examples/gateway/internal/admin"
	"github.com/ecolaura/rampart/examples/gateway/internal/engine"
	"github.com/ecolaura/rampart/examples/gateway/internal/plugin"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/server"
)

// gateway is the whole service.
type gateway struct {
	settings *settings
	log      *slog.Logger
	monitor  *monitor.Monitor
	engine   *engine.Engine
	certs    *certificates
	access   *engine.AccessLog
	reloads  *reloader
	handler  http.Handler
	admin    http.Handler
	closers  []func()
}

// open makes the service for a configuration; without a text it is empty.
func open(ctx context.Context, s *settings, text []byte, stdout, stderr io.Writer) (_ *gateway, err error) {
	g := &gateway{settings: s}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.monitor, err = monitor.New(monitor.Config{Handler: slog.NewJSONHandler(stderr, nil)}); err != nil { //nolint:contextcheck // it ends with Close
		return nil, err
	}
	g.closers = append(g.closers, func() { _ = g.monitor.Close() }) //nolint:contextcheck // as above
	g.log = slog.New(g.monitor)
	if err := g.openAccessLog(stdout); err != nil {
		return nil, err
	}
	shared, closeShared, err := openShared(ctx, s.redis, g.log)
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, closeShared)
	if g.certs, err = newCertificates(g.log); err != nil {
		return nil, err
	}
	g.closers = append(g.closers, g.certs.close)

	metrics := plugin.NewMetrics()
	if g.engine, err = engine.New(engine.Options{
		Log: g.log, Access: g.access, Names: s.resolve, Trusted: s.trusted,
		Shared: shared, Metrics: metrics, Certificates: g.certs, BodyTimeout: s.bodyTimeout,
	}); err != nil {
		return nil, err
	}
	g.closers = append(g.closers, g.engine.Close)
	if err := g.use(text); err != nil {
		return nil, err
	}
	ids, err := server.NewRequestID(server.RequestIDConfig{TrustedProxies: s.trusted})
	if err != nil {
		return nil, err
	}
	g.handler = ids.Handler(g.engine)
	g.reloads = newReloader(s.config, text, g.engine, g.log)
	events := rampart.NewReporter(g.log)
	g.closers = append(g.closers, events.Flush)
	api := &admin.API{Engine: g.engine, Reload: g.reloads.reload, Metrics: metrics.Write, Events: g.monitor.Metrics()}
	if s.config != "" {
		api.Save = g.reloads.save
	}
	g.admin = admin.Protect(api, s.adminToken, events)
	return g, nil
}

func (g *gateway) openAccessLog(stdout io.Writer) error {
	switch name := g.settings.accessLog; name {
	case "":
		return nil
	case "-":
		g.access = engine.NewAccessLog(stdout)
	default:
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // log shippers read it by their group
		if err != nil {
			return err
		}
		g.closers = append(g.closers, func() { _ = f.Close() })
		g.access = engine.NewAccessLog(f)
	}
	g.closers = append(g.closers, g.access.Close)
	return nil
}

// close ends everything, in the opposite order.
func (g *gateway) close() {
	for len(g.closers) > 0 {
		last := len(g.closers) - 1
		g.closers[last]()
		g.closers = g.closers[:last]
	}
}

// use is for the first configuration; later ones are the reloader's.
func (g *gateway) use(text []byte) error {
	if text == nil {
		return nil
	}
	f, err := g.engine.Parse(text)
	if err != nil {
		return err
	}
	return g.engine.Use(f)
}

// listener is one address and who answers there.
type listener struct {
	name string
	addr string
	cfg  server.Config
	ln   net.Listener
}

// long is no limit: the engine sets one of its own for each part of a body.
const long = 24 * time.Hour

// serve runs every listener until ctx is done, or one of them fails.
func (g *gateway) serve(ctx context.Context, stdout io.Writer) error {
	defer g.close()
	s := g.settings
	all := []*listener{{name: "Proxy", addr: s.addr, cfg: server.Config{Handler: g.handler}}}
	if s.tlsAddr != "" {
		all = append(all, &listener{name: "Proxy with TLS", addr: s.tlsAddr, cfg: server.Config{Handler: g.handler, TLSConfig: g.certs.config()}})
	}
	if s.admin != "" {
		all = append(all, &listener{name: "Admin API", addr: s.admin, cfg: server.Config{Handler: g.admin, ReadTimeout: cmp.Or(s.bodyTimeout, engine.BodyTimeout)}})
	}
	for _, l := range all {
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", l.addr)
		if err != nil {
			for _, open := range all {
				if open.ln != nil {
					_ = open.ln.Close()
				}
			}
			return err
		}
		l.ln = ln
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, len(all))
	for _, l := range all {
		l.cfg.Logger, l.cfg.ReadTimeout, l.cfg.WriteTimeout = g.log, cmp.Or(l.cfg.ReadTimeout, long), engine.WriteTimeout
		if l.cfg.TLSConfig != nil {
			l.cfg.WriteTimeout = long
		}
		srv, err := server.New(l.cfg)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s listens on %s\n", l.name, l.ln.Addr())
		go func() {
			done <- srv.Serve(ctx, l.ln)
			cancel()
		}()
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		g.reloads.watch(ctx)
	}()
	var errs []error
	for range all {
		errs = append(errs, <-done)
	}
	<-watched
	return errors.Join(errs...)
}

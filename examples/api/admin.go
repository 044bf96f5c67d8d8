package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync/atomic"

	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// newHealth says what this instance needs. Without Redis each instance counts by itself,
// and with a feed that lags it goes by what it knows: neither is a reason to send it no
// requests.
func newHealth(srv *instance, dropped func() uint64, log *slog.Logger) (*server.Health, error) {
	checks := []server.HealthCheck{
		{Name: "database", Check: srv.db.check, Info: srv.db.info},
		{Name: "feed", Optional: true, Check: srv.shared.fresh, Info: func() map[string]any {
			return map[string]any{"instances": srv.shared.feed.Live()}
		}},
	}
	if srv.shared.redis != nil {
		checks = append(checks, server.HealthCheck{Name: "redis", Optional: true, Check: func(ctx context.Context) error {
			return srv.shared.redis.Ping(ctx).Err()
		}, Info: func() map[string]any {
			store, ok := srv.shared.limits.(*throttleredis.Store)
			return map[string]any{"circuit_open": ok && store.CircuitOpen()}
		}})
	}
	if dropped != nil {
		var before atomic.Uint64
		checks = append(checks, server.HealthCheck{Name: "log", Optional: true, Check: func(context.Context) error {
			if n := dropped(); n != before.Swap(n) {
				return errors.New("records are dropped: who reads them stalls")
			}
			return nil
		}, Info: func() map[string]any { return map[string]any{"dropped": dropped()} }})
	}
	return server.NewHealth(server.HealthConfig{Checks: checks, Version: version(), Logger: log})
}

// fresh reports whether the feed still brings what other instances did.
func (sh *shared) fresh(context.Context) error {
	if age := sh.feed.Age(); age > 0 {
		return fmt.Errorf("the last good poll was %s ago", age)
	}
	return nil
}

// info is what an operator wants to know of the database.
func (d *database) info() map[string]any {
	s := d.Stats()
	return map[string]any{
		"dialect": d.dialect.String(), "schema": d.schema,
		"connections": s.OpenConnections, "most": s.MaxOpenConnections, "in_use": s.InUse,
		"waited": s.WaitCount, "waited_seconds": s.WaitDuration.Seconds(),
	}
}

// admin is the listener for operators. It leaves out /debug/pprof/cmdline: a flag may
// hold a password.
func (srv *instance) admin(s *settings) (http.Handler, error) {
	cfg := server.AdminConfig{Health: srv.health, Metrics: srv.metrics.handler}
	if s.pprof {
		cfg.Handlers = map[string]http.Handler{
			"/debug/pprof/":        http.HandlerFunc(pprof.Index),
			"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
			"/debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
		}
	}
	tools, err := server.NewAdmin(cfg)
	if err != nil {
		return nil, err
	}
	mux := server.NewMux()
	mux.Handle("/", tools)
	mux.Handle("/console/", srv.layers.headers.Handler(http.StripPrefix("/console", srv.console)))
	for pattern, h := range map[string]http.HandlerFunc{"GET /login": srv.browser.getLogin, "POST /login": srv.browser.postLogin, "POST /logout": srv.browser.postLogout} {
		mux.Handle(pattern, srv.layers.headers.Handler(srv.browser.open(h)))
	}
	return mux, nil
}

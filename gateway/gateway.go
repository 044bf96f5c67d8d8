package gateway

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/admin"
	"github.com/ecolaura/rampart/gateway/internal/engine"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
	"github.com/ecolaura/rampart/throttle/throttlesql"
)

// errZero is what a zero Gateway says.
var errZero = errors.New("gateway: a zero Gateway serves nothing: make one with New")

// A Gateway is the proxy's handler. It is safe for concurrent use. The zero value
// refuses every request. Make one with [New], and end it with [Gateway.Close].
type Gateway struct {
	log         *slog.Logger
	token       bool // the Admin API asks for one
	bodyTimeout time.Duration

	engine  *engine.Engine
	certs   *certificates
	reloads *reloader
	proxy   http.Handler
	admin   http.Handler

	closers []func() error
	once    sync.Once
}

// New returns a Gateway for cfg and its file, or every mistake in both, joined:
// those of cfg, each a [*rampart.ConfigError], and the file's [Mistakes].
func New(cfg Config) (*Gateway, error) {
	cfg.Resolve = maps.Clone(cfg.Resolve)
	cfg.Proxies, _ = cfg.Proxies.Checked() // the mistakes are reported below
	errs := cfg.mistakes()
	if len(errs) > 0 { // without what is wrong, the file is still looked at
		cfg.Proxies, cfg.Resolve, cfg.BodyTimeout, cfg.DB = rampart.Proxies{}, nil, 0, nil
	}
	g := &Gateway{token: cfg.AdminToken != "", bodyTimeout: cfg.BodyTimeout}
	err := g.open(cfg)
	if err == nil {
		err = g.reloads.first()
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		_ = g.Close()
		return nil, err
	}
	return g, nil
}

// open makes what serves requests.
func (g *Gateway) open(cfg Config) error {
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	events, err := monitor.New(monitor.Config{Handler: log.Handler()})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, events.Close)
	g.log = slog.New(events)
	opts := engine.Options{
		Log: g.log, Names: cfg.Resolve, Proxies: cfg.Proxies, Metrics: plugin.NewMetrics(), BodyTimeout: cfg.BodyTimeout,
	}
	if cfg.AccessLog != nil {
		opts.Access = engine.NewAccessLog(cfg.AccessLog)
		g.closers = append(g.closers, closer(opts.Access.Close))
	}
	if cfg.Redis != nil {
		if opts.Shared, err = throttleredis.New(cfg.Redis, throttleredis.Config{Prefix: "rampart:gateway", Logger: g.log}); err != nil {
			return err
		}
	}
	if cfg.DB != nil {
		if opts.Kept, err = keep(cfg.DB, cfg.Dialect); err != nil {
			return err
		}
	}
	if g.certs, err = newCertificates(g.log); err != nil {
		return err
	}
	g.closers = append(g.closers, g.certs.close)
	opts.Certificates = g.certs
	if g.engine, err = engine.New(opts); err != nil {
		return err
	}
	g.closers = append(g.closers, closer(g.engine.Close))
	ids, err := server.NewRequestID(server.RequestIDConfig{Proxies: cfg.Proxies})
	if err != nil {
		return err
	}
	g.proxy = ids.Handler(g.engine)

	g.reloads = &reloader{file: cfg.File, engine: g.engine, log: g.log}
	refused := rampart.NewReporter(g.log, "gateway")
	g.closers = append(g.closers, closer(refused.Flush))
	measured, counts, err := metrics(opts.Metrics, events.Samples, g.engine.Samples)
	if err != nil {
		return err
	}
	g.proxy = measured(g.proxy)
	api := &admin.API{Engine: g.engine, Reload: g.Reload, Metrics: counts}
	if cfg.File != "" {
		api.Save = g.reloads.save
	}
	g.admin = admin.Protect(api, cfg.AdminToken, refused)
	return nil
}

// keep returns a store in db.
func keep(db *sql.DB, d rampart.Dialect) (throttle.Store, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := throttlesql.Migrate(ctx, db, d); err != nil {
		return nil, err
	}
	return throttlesql.New(db, d, throttlesql.Config{})
}

// closer is f as one of a Gateway's closers.
func closer(f func()) func() error {
	return func() error { f(); return nil }
}

// ServeHTTP implements [http.Handler]: it proxies a request. Serve it by
// [Gateway.Serve], or by a server that bounds what the Gateway cannot see: the
// size of a header, and the time for one.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.proxy == nil {
		refuseAll(w, r)
		return
	}
	g.proxy.ServeHTTP(w, r)
}

// Admin returns the handler of the Admin API. It refuses web pages, hosts that
// are not this machine, and requests without Config.AdminToken where there is
// one; so it serves what runs on this machine, or knows the token.
func (g *Gateway) Admin() http.Handler {
	if g.admin == nil {
		return http.HandlerFunc(refuseAll)
	}
	return g.admin
}

// refuseAll is the zero Gateway's.
func refuseAll(w http.ResponseWriter, _ *http.Request) {
	(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "no_gateway"}).Write(w)
}

// TLSConfig returns the configuration of a TLS listener, for a server of your
// own: each connection gets the certificate that is then configured for its name.
func (g *Gateway) TLSConfig() *tls.Config { return g.certs.config() }

// Use replaces the configuration for later requests; text is a declarative file,
// YAML or JSON. If it returns an error, the old one stays in use. The error is
// [Mistakes], or an I/O error.
func (g *Gateway) Use(ctx context.Context, text []byte) error {
	if g.reloads == nil {
		return errZero
	}
	return g.reloads.use(ctx, text)
}

// Reload reads Config.File again and uses it, whether it has changed or not.
func (g *Gateway) Reload(ctx context.Context) error {
	if g.reloads == nil {
		return errZero
	}
	return g.reloads.reload(ctx)
}

// Close releases the Gateway's resources; call it after serving has ended. It
// writes what is yet to be logged and removes its copies of the certificates'
// keys. The error holds what of that has failed.
func (g *Gateway) Close() error {
	var errs []error
	g.once.Do(func() {
		for _, end := range slices.Backward(g.closers) { // the log, which is first, is needed by the others
			errs = append(errs, end())
		}
	})
	return errors.Join(errs...)
}

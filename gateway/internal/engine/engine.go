// Package engine serves requests as a configuration says, and changes to
// another one between two requests.
package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/ecolaura/rampart/gateway/internal/proxy"
	"github.com/ecolaura/rampart/gateway/internal/router"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

// Options are what does not change while the gateway runs.
type Options struct {
	Log     *slog.Logger
	Access  *AccessLog // nil: none
	Names   proxy.Resolver
	Proxies rampart.Proxies
	Shared  throttle.Store // for policy redis; nil: none
	Metrics *plugin.Metrics
	// BodyTimeout is how long a client may send nothing of its body; 0: the
	// constant.
	BodyTimeout  time.Duration
	Certificates Certificates // of the listener with TLS
}

// Certificates serves those of the configuration in use.
type Certificates interface {
	Use(f *conf.File) error              // to change to those of f; after an error nothing has changed
	Mistakes(f *conf.File) conf.Mistakes // why Use would fail
}

// An Engine is the gateway's handler. It is safe for concurrent use.
type Engine struct {
	opts    Options
	events  *rampart.Reporter
	clients *server.ClientIP
	handler http.Handler

	passwords *plugin.Passwords
	cache     *plugin.Cache
	issuers   *plugin.Issuers

	change  sync.Mutex // one at a time
	current atomic.Pointer[state]

	requests atomic.Int64
	active   atomic.Int64
}

// state is one configuration, ready for use. Requests keep the one that they
// began with.
type state struct {
	file     *conf.File
	router   *router.Router
	routes   []*compiled
	refusals map[int]http.Handler // by status: what has no route, inside the global plugins
	services map[string]keep[*proxy.Service]
	pools    map[string]keep[*proxy.Pool]
	layers   map[string]keep[*plugin.Layer]
}

// keep is something that a reload keeps if the text that made it is the same.
type keep[T any] struct {
	made  string
	thing T
}

// New returns an Engine that serves nothing yet.
func New(opts Options) (*Engine, error) {
	clients, err := server.NewClientIP(opts.Proxies)
	if err != nil {
		return nil, err
	}
	opts.BodyTimeout = cmp.Or(opts.BodyTimeout, BodyTimeout)
	passwords, err := plugin.NewPasswords()
	if err != nil {
		return nil, err
	}
	e := &Engine{opts: opts, events: rampart.NewReporter(opts.Log), clients: clients, passwords: passwords, cache: plugin.NewCache(), issuers: plugin.NewIssuers()}
	// Every event below has the client's address from here, a panic's too.
	e.handler = clients.Handler(server.Recover(opts.Log)(http.HandlerFunc(e.serve)))
	return e, e.Use(plugin.Types().Empty())
}

// Parse reads a document. The error lists all that is wrong with it: what only
// its use shows, too.
func (e *Engine) Parse(text []byte) (*conf.File, error) {
	f, err := plugin.Types().Parse(text)
	ms, ok := errors.AsType[conf.Mistakes](err)
	if !ok || f == nil {
		return f, err
	}
	layers, more := e.layers(f, nil)
	for _, k := range layers {
		k.thing.Close()
	}
	return nil, ms.Also(more).Also(e.opts.Certificates.Mistakes(f)).Err()
}

// Load is Parse and Use.
func (e *Engine) Load(text []byte) (*conf.File, error) {
	f, err := e.Parse(text)
	if err != nil {
		return nil, err
	}
	return f, e.Use(f)
}

// File returns the configuration in use. It must not be changed.
func (e *Engine) File() *conf.File { return e.current.Load().file }

// Use changes to f for every later request; after an error nothing has changed.
func (e *Engine) Use(f *conf.File) error {
	e.change.Lock()
	defer e.change.Unlock()
	return e.use(f)
}

// Edit changes to what edit makes of the configuration in use.
func (e *Engine) Edit(edit func(*conf.File) (*conf.File, error)) error {
	e.change.Lock()
	defer e.change.Unlock()
	f, err := edit(e.File())
	if err != nil {
		return err
	}
	return e.use(f)
}

func (e *Engine) use(f *conf.File) error {
	old := e.current.Load()
	if err := e.passwords.Hash(f.BasicAuths); err != nil { // f is not in use yet
		return err
	}
	next, err := e.compile(f, old)
	if err != nil {
		return err
	}
	if err := e.opts.Certificates.Use(f); err != nil {
		next.retire(old)
		return err
	}
	e.current.Store(next)
	if old != nil {
		old.retire(next)
	}
	return nil
}

// Close ends what waits for later requests.
func (e *Engine) Close() {
	e.change.Lock()
	defer e.change.Unlock()
	e.current.Load().retire(&state{})
	e.events.Flush()
}

// retire closes what the next state does not use.
func (s *state) retire(next *state) {
	if next == nil {
		next = &state{}
	}
	for id, k := range s.services {
		if next.services[id].thing != k.thing {
			k.thing.Close()
		}
	}
	for id, k := range s.layers {
		if next.layers[id].thing != k.thing {
			k.thing.Close()
		}
	}
}

// text describes entities exactly.
func text(parts ...any) string {
	for i, p := range parts {
		if e, ok := p.(conf.Entity); ok {
			fields := conf.JSON(e)
			delete(fields, "updated_at")
			delete(fields, "created_at")
			parts[i] = fields
		}
	}
	b, err := json.Marshal(parts)
	if err != nil {
		return time.Now().String() // never the same
	}
	return string(b)
}

// reuse returns old's thing if it was made of the same text.
func reuse[T any](old map[string]keep[T], id, made string, fresh func() (T, error)) (keep[T], error) {
	if k, ok := old[id]; ok && k.made == made {
		return k, nil
	}
	thing, err := fresh()
	return keep[T]{made, thing}, err
}

func (e *Engine) compile(f *conf.File, old *state) (*state, error) {
	if old == nil {
		old = &state{}
	}
	s := &state{
		file: f, services: map[string]keep[*proxy.Service]{},
		pools: map[string]keep[*proxy.Pool]{},
	}
	var err error
	if s.router, err = router.New(enabledRoutes(f)); err != nil {
		return nil, err
	}
	e.buildServices(s, old)
	var mistakes conf.Mistakes
	if s.layers, mistakes = e.layers(f, old.layers); len(mistakes) > 0 {
		s.retire(old)
		return nil, append(mistakes, e.opts.Certificates.Mistakes(f)...).Err()
	}
	e.buildRoutes(s)
	return s, nil
}

// layers makes the layers of f's plugins, as far as that is possible. Those of
// old that count are kept.
func (e *Engine) layers(f *conf.File, old map[string]keep[*plugin.Layer]) (map[string]keep[*plugin.Layer], conf.Mistakes) {
	env := &plugin.Env{
		File: f, Log: e.opts.Log, Events: e.events, Metrics: e.opts.Metrics,
		Proxies: e.opts.Proxies, Shared: e.opts.Shared, Passwords: e.passwords, Cache: e.cache, Issuers: e.issuers,
	}
	mistakes, types := env.Prepare(), plugin.Types()
	made := map[string]keep[*plugin.Layer]{}
	for _, p := range f.Plugins {
		if !p.Enabled || p.Config == nil {
			continue
		}
		from := old
		if !types.Named(p.Name).Counts {
			from = nil
		}
		k, err := reuse(from, p.ID, text(p), func() (*plugin.Layer, error) { return plugin.New(p, env) })
		if ms, ok := errors.AsType[conf.Mistakes](err); ok {
			mistakes = append(mistakes, ms...)
			continue
		}
		if err != nil {
			mistakes = append(mistakes, p.Mistake("config", err.Error()))
			continue
		}
		made[p.ID] = k
	}
	return made, mistakes
}

// enabledRoutes returns the routes of services that are not switched off.
func enabledRoutes(f *conf.File) []*conf.Route {
	off := map[conf.Ref]bool{}
	for _, s := range f.Services {
		off[conf.Ref(s.ID)] = !s.Enabled
	}
	var out []*conf.Route
	for _, r := range f.Routes {
		if !off[r.Service] {
			out = append(out, r)
		}
	}
	return out
}

func (e *Engine) buildServices(s, old *state) {
	upstreams := map[string]*conf.Upstream{}
	for _, u := range s.file.Upstreams {
		parts := []any{u}
		for _, t := range s.file.Targets {
			if t.Upstream == conf.Ref(u.ID) {
				parts = append(parts, t)
			}
		}
		s.pools[u.Name], _ = reuse(old.pools, u.Name, text(parts...), func() (*proxy.Pool, error) {
			return proxy.NewPool(u, s.file.Targets), nil
		})
		upstreams[u.Name] = u
	}
	for _, svc := range s.file.Services {
		var pool *proxy.Pool
		host := ""
		parts := []any{svc}
		if u := upstreams[svc.Host]; u != nil {
			pool, host = s.pools[u.Name].thing, u.HostHeader
			parts = append(parts, s.pools[u.Name].made)
		}
		for _, ca := range s.file.CACertificates {
			parts = append(parts, ca)
		}
		s.services[svc.ID], _ = reuse(old.services, svc.ID, text(parts...), func() (*proxy.Service, error) {
			return proxy.NewService(svc, pool, host, s.file.CACertificates, e.opts.Names, e.opts.Log), nil
		})
	}
}

// Health returns the health of an upstream's targets; nil if there is none of
// that name.
func (e *Engine) Health(upstream string) map[string]bool {
	if p := e.current.Load().pools[upstream].thing; p != nil {
		return p.Health()
	}
	return nil
}

// SetHealth marks a target; false if there is none.
func (e *Engine) SetHealth(upstream, target string, healthy bool) bool {
	p := e.current.Load().pools[upstream].thing
	return p != nil && p.Set(target, healthy)
}

// Cache returns what proxy-cache answers from.
func (e *Engine) Cache() *plugin.Cache { return e.cache }

// Requests returns how many requests there were and how many are under way.
func (e *Engine) Requests() (total, active int64) { return e.requests.Load(), e.active.Load() }

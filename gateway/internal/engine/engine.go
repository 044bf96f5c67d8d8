// Package engine serves requests as a configuration says, and changes to
// another one between two requests.
package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
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
	Kept    throttle.Store // for quotas of policy local; nil: none
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
	env      *plugin.Env
	enabled  []*conf.Route // of services that are not switched off
	router   *router.Router
	routes   []compiled             // as enabled
	refusals map[int][]http.Handler // by status: what has no route, behind the global plugins
	services map[string]keep[*proxy.Service]
	pools    map[string]keep[*proxy.Pool]
	uses     map[string]*use // by the plugin's id
	plans    *plugin.Plans
	notes    conf.Mistakes // about what is not wrong, but less than one might expect
}

// keep is something that a change keeps if what made it is the same.
type keep[T any] struct {
	made  []conf.Entity
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
	e := &Engine{opts: opts, events: rampart.NewReporter(opts.Log, "gateway"), clients: clients, passwords: passwords, cache: plugin.NewCache(), issuers: plugin.NewIssuers()}
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
	env, more := e.environment(f, &state{})
	uses, wrong := e.layers(f, env, &state{})
	for _, u := range uses {
		u.layer.Close()
	}
	env.Close()
	_, plans := plugin.NewPlans(f, nil, env)
	more = slices.Concat(more, wrong, plans)
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
	old := e.File()
	f, err := edit(old)
	if err != nil || f == old {
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
	for name, k := range s.pools {
		if next.pools[name].thing != k.thing {
			k.thing.Close()
		}
	}
	for id, u := range s.uses {
		if other := next.uses[id]; other == nil || other.layer != u.layer {
			u.layer.Close()
		}
	}
	if s.env != next.env {
		s.env.Close()
	}
}

// same reports whether entities say the same, apart from when. What a change does
// not touch is the very same one.
func same(a, b []conf.Entity) bool {
	return slices.EqualFunc(a, b, func(a, b conf.Entity) bool { return a == b || text(a) == text(b) })
}

// text describes an entity exactly.
func text(e conf.Entity) string {
	fields := conf.JSON(e)
	delete(fields, "updated_at")
	delete(fields, "created_at")
	b, err := json.Marshal(fields)
	if err != nil {
		return time.Now().String() // never the same
	}
	return string(b)
}

// reuse returns old's thing if it was made of the same entities.
func reuse[T any](old map[string]keep[T], id string, made []conf.Entity, fresh func() T) keep[T] {
	if k, ok := old[id]; ok && same(k.made, made) {
		return keep[T]{made, k.thing}
	}
	return keep[T]{made, fresh()}
}

func (e *Engine) compile(f *conf.File, old *state) (*state, error) {
	if old == nil {
		old = &state{}
	}
	s := &state{file: f, enabled: enabledRoutes(f), services: map[string]keep[*proxy.Service]{}, pools: map[string]keep[*proxy.Pool]{}}
	var err error
	if s.router = old.router; old.router == nil || !slices.Equal(s.enabled, old.enabled) {
		if s.router, err = router.New(s.enabled); err != nil {
			return nil, err
		}
	}
	e.buildServices(s, old)
	var mistakes, wrong conf.Mistakes
	s.env, mistakes = e.environment(f, old)
	s.uses, wrong = e.layers(f, s.env, old)
	s.plans, s.notes = plugin.NewPlans(f, old.plans, s.env)
	if mistakes = slices.Concat(mistakes, wrong, s.notes); mistakes.Err() != nil {
		s.retire(old)
		return nil, append(mistakes, e.opts.Certificates.Mistakes(f)...).Err()
	}
	s.buildRoutes()
	return s, nil
}

// environment returns what the layers of f share: old's, if all consumers and
// their credentials are the same.
func (e *Engine) environment(f *conf.File, old *state) (*plugin.Env, conf.Mistakes) {
	if old.env != nil && f.SameConsumers(old.file) {
		return old.env, nil
	}
	env := &plugin.Env{
		File: f, Log: e.opts.Log, Events: e.events, Metrics: e.opts.Metrics,
		Proxies: e.opts.Proxies, Shared: e.opts.Shared, Kept: e.opts.Kept, Passwords: e.passwords, Cache: e.cache, Issuers: e.issuers,
	}
	return env, env.Prepare(old.env)
}

// layers makes the layers of f's plugins, as far as that is possible. Those of
// old stay where nothing that they are made of has changed.
func (e *Engine) layers(f *conf.File, env *plugin.Env, old *state) (map[string]*use, conf.Mistakes) {
	env.CountLimiters(f)
	var mistakes conf.Mistakes
	types, order := plugin.Types(), map[string]int{}
	for i, t := range types {
		order[t.Name] = i
	}
	made := make(map[string]*use, len(f.Plugins))
	for _, p := range f.Plugins {
		if !p.Enabled || p.Config == nil {
			continue
		}
		at := order[p.Name]
		t, was := types[at], old.uses[p.ID]
		switch {
		case was == nil, env != old.env && !t.Alone && !t.Counts:
		case was.plugin == p:
			made[p.ID] = was
			continue
		case t.Counts && same([]conf.Entity{was.plugin}, []conf.Entity{p}):
			made[p.ID] = newUse(p, was.layer)
			made[p.ID].order = at
			continue
		}
		layer, err := plugin.New(p, env)
		if ms, ok := errors.AsType[conf.Mistakes](err); ok {
			mistakes = append(mistakes, ms...)
			continue
		}
		if err != nil {
			mistakes = append(mistakes, p.Mistake("config", plugin.Reason(err)))
			continue
		}
		made[p.ID] = newUse(p, layer)
		made[p.ID].order = at
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
	targets := map[conf.Ref][]*conf.Target{}
	for _, t := range s.file.Targets {
		targets[t.Upstream] = append(targets[t.Upstream], t)
	}
	upstreams := map[string]*conf.Upstream{}
	for _, u := range s.file.Upstreams {
		parts := []conf.Entity{u}
		for _, t := range targets[conf.Ref(u.ID)] {
			parts = append(parts, t)
		}
		s.pools[u.Name] = reuse(old.pools, u.Name, parts, func() *proxy.Pool { return proxy.NewPool(u, targets[conf.Ref(u.ID)], e.opts.Names) })
		upstreams[u.Name] = u
	}
	var cas []conf.Entity
	for _, ca := range s.file.CACertificates {
		cas = append(cas, ca)
	}
	for _, svc := range s.file.Services {
		var pool *proxy.Pool
		host := ""
		parts := append([]conf.Entity{svc}, cas...)
		if u := upstreams[svc.Host]; u != nil {
			pool, host = s.pools[u.Name].thing, u.HostHeader
			parts = append(parts, s.pools[u.Name].made...)
		}
		s.services[svc.ID] = reuse(old.services, svc.ID, parts, func() *proxy.Service {
			return proxy.NewService(svc, pool, host, s.file.CACertificates, e.opts.Names, e.opts.Log)
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

// Samples yields the health of targets, where a plugin prometheus wants it.
func (e *Engine) Samples(yield func(rampart.Sample) bool) {
	s := e.current.Load()
	if !plugin.TellsHealth(s.file) {
		return
	}
	for name, p := range s.pools {
		if !plugin.HealthSamples(name, p.thing.States(), yield) {
			return
		}
	}
}

// SetHealth marks a target; false if there is none.
func (e *Engine) SetHealth(upstream, target string, healthy bool) bool {
	p := e.current.Load().pools[upstream].thing
	return p != nil && p.Set(target, healthy)
}

// Plans returns the plans of the configuration in use.
func (e *Engine) Plans() *plugin.Plans { return e.current.Load().plans }

// Notes say what the author of the configuration in use may not expect of this gateway.
func (e *Engine) Notes() conf.Mistakes { return e.current.Load().notes }

// Cache returns what proxy-cache serves from.
func (e *Engine) Cache() *plugin.Cache { return e.cache }

// Requests returns how many requests there were and how many are under way.
func (e *Engine) Requests() (total, active int64) { return e.requests.Load(), e.active.Load() }

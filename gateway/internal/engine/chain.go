package engine

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
)

// compiled is a route with its plugins before its service.
type compiled struct {
	route    *conf.Route
	service  *conf.Service
	chain    []http.Handler
	insecure bool // may be asked over plain http
}

// A use is one use of a plugin. Its handler calls next, so that one will do for
// all the routes that it is for.
type use struct {
	plugin  *conf.Plugin
	layer   *plugin.Layer
	handler http.Handler
	order   int // among the plugins
}

func newUse(p *conf.Plugin, layer *plugin.Layer) *use {
	return &use{plugin: p, layer: layer, handler: onlyFor(p, layer.Handler(http.HandlerFunc(next)))}
}

// next serves what is left of a request's way.
func next(w http.ResponseWriter, r *http.Request) {
	c := call.From(r.Context())
	rest := c.Rest
	c.Rest = rest[1:]
	rest[0].ServeHTTP(w, r)
	c.Rest = rest
}

// onlyFor leaves a plugin out for requests of the scheme that it is not for.
func onlyFor(p *conf.Plugin, with http.Handler) http.Handler {
	plain, secure := slices.Contains(p.Protocols, "http"), slices.Contains(p.Protocols, "https")
	if plain && secure {
		return with
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := call.From(r.Context()); c.Scheme == "http" && plain || c.Scheme == "https" && secure {
			with.ServeHTTP(w, r)
			return
		}
		next(w, r)
	})
}

// scope is which requests a use is for; "": any.
type scope struct{ route, service, consumer, group conf.Ref }

// uses finds the uses of plugins.
type uses struct {
	at        map[scope][]*use
	consumers []bool // by order: is there a use for some consumer, or group of them?

	plans     http.Handler // nil: there are none
	planOrder int          // that they run before
}

func newUses(all map[string]*use, kinds int) *uses {
	us := &uses{at: map[scope][]*use{}, consumers: make([]bool, kinds)}
	for _, u := range all {
		p := u.plugin
		sc := scope{p.Route, p.Service, p.Consumer, p.Group}
		us.at[sc] = append(us.at[sc], u)
		if p.Consumer != "" || p.Group != "" {
			us.consumers[u.order] = true
		}
	}
	return us
}

// find returns the use of a plugin for just that scope, nil if there is none.
func (us *uses) find(order int, sc scope) *use {
	for _, u := range us.at[sc] {
		if u.order == order {
			return u
		}
	}
	return nil
}

// chain puts the plugins of a route before h, in the order of their priorities.
// For each plugin one of its uses runs, the most specific: consumer with route and
// service, group with route and service, consumer with route, consumer with service,
// group with route, group with service, route with service, consumer, group, route,
// service, global.
func (us *uses) chain(route, service conf.Ref, h http.Handler) []http.Handler {
	base := make([]*use, len(us.consumers))
	scopes := []scope{{}, {service: service}, {route: route}, {route: route, service: service}}
	if route == "" {
		scopes = scopes[:1]
	}
	for _, sc := range scopes {
		for _, u := range us.at[sc] {
			base[u.order] = u
		}
	}
	var out []http.Handler
	for order, u := range base {
		if us.plans != nil && order == us.planOrder {
			out = append(out, us.plans)
		}
		switch {
		case us.consumers[order]:
			out = append(out, &byConsumer{us, order, route, service, u})
		case u != nil:
			out = append(out, u.handler)
		}
	}
	return append(out, h)
}

// byConsumer is where a plugin has uses of its own for some consumers.
type byConsumer struct {
	uses           *uses
	order          int
	route, service conf.Ref
	others         *use // for the other consumers; nil: there is none
}

// ServeHTTP implements http.Handler.
func (b *byConsumer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u := b.best(call.From(r.Context())); u != nil {
		u.handler.ServeHTTP(w, r)
		return
	}
	next(w, r)
}

// A step is one kind of scope. Kong's documentation has the order.
type step struct{ consumer, group, route, service bool }

// steps returns the kinds of scopes for consumers and their groups, the most
// specific first. One of route and service, without either, stands between the
// first six and the last two.
func steps() (first, last []step) {
	return []step{
		{consumer: true, route: true, service: true},
		{group: true, route: true, service: true},
		{consumer: true, route: true},
		{consumer: true, service: true},
		{group: true, route: true},
		{group: true, service: true},
	}, []step{{consumer: true}, {group: true}}
}

// best returns the most specific use for the caller.
func (b *byConsumer) best(c *call.Call) *use {
	if c.Consumer == nil {
		return b.others
	}
	first, last := steps()
	if u := b.first(c, first); u != nil {
		return u
	}
	if u := b.others; u != nil && u.plugin.Route != "" && u.plugin.Service != "" {
		return u
	}
	return cmp.Or(b.first(c, last), b.others)
}

// first returns the use of the first step that has one.
func (b *byConsumer) first(c *call.Call, all []step) *use {
	for _, s := range all {
		if s.route && b.route == "" || s.service && b.service == "" {
			continue
		}
		var sc scope
		if s.route {
			sc.route = b.route
		}
		if s.service {
			sc.service = b.service
		}
		if s.consumer {
			sc.consumer = conf.Ref(c.Consumer.ID)
			if u := b.uses.find(b.order, sc); u != nil {
				return u
			}
			continue
		}
		for _, sc.group = range c.Member {
			if u := b.uses.find(b.order, sc); u != nil {
				return u
			}
		}
	}
	return nil
}

// buildRoutes puts the plugins before each route.
func (s *state) buildRoutes() {
	types := plugin.Types()
	us := newUses(s.uses, len(types))
	us.plans = s.plans.Handler(http.HandlerFunc(next))
	us.planOrder = slices.IndexFunc(types, func(t conf.PluginType) bool { return t.Name == "usage-plan" })
	services := make(map[conf.Ref]*conf.Service, len(s.file.Services))
	for _, svc := range s.file.Services {
		services[conf.Ref(svc.ID)] = svc
	}
	s.routes = make([]compiled, len(s.enabled))
	for i, r := range s.enabled {
		svc := services[r.Service]
		var h http.Handler = &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "no_service", Detail: "No service is behind this route."}
		if svc != nil {
			h = s.services[svc.ID].thing
		}
		s.routes[i] = compiled{
			route: r, service: svc, chain: us.chain(conf.Ref(r.ID), r.Service, h),
			insecure: slices.Contains(r.Protocols, "http"),
		}
	}
	s.refusals = map[int][]http.Handler{}
	for status, h := range map[int]http.Handler{
		http.StatusBadRequest:       &rampart.Problem{Status: http.StatusBadRequest, Code: "bad_request"},
		http.StatusNotFound:         &rampart.Problem{Status: http.StatusNotFound, Code: "no_route", Detail: "No route matches this request."},
		http.StatusMethodNotAllowed: &rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"},
		http.StatusUpgradeRequired:  http.HandlerFunc(redirect),
	} {
		s.refusals[status] = us.chain("", "", h)
	}
}

// pass sends a request on the way that chain is.
func pass(w http.ResponseWriter, r *http.Request, c *call.Call, chain []http.Handler) {
	c.Rest = chain
	next(w, r)
}

package engine

import (
	"net/http"
	"slices"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
)

// compiled is a route with its plugins around its service.
type compiled struct {
	route    *conf.Route
	service  *conf.Service
	handler  http.Handler
	insecure bool // may be asked over plain http
}

// buildRoutes puts the plugins around each route.
func (e *Engine) buildRoutes(s *state) {
	services := map[conf.Ref]*conf.Service{}
	for _, svc := range s.file.Services {
		services[conf.Ref(svc.ID)] = svc
	}
	for _, r := range enabledRoutes(s.file) {
		svc := services[r.Service]
		s.routes = append(s.routes, &compiled{
			route: r, service: svc,
			handler:  s.chain(r, svc, s.services[svc.ID].thing),
			insecure: slices.Contains(r.Protocols, "http"),
		})
	}
	s.refusals = map[int]http.Handler{}
	for status, h := range map[int]http.Handler{
		http.StatusBadRequest:       &rampart.Problem{Status: http.StatusBadRequest, Code: "bad_request"},
		http.StatusNotFound:         &rampart.Problem{Status: http.StatusNotFound, Code: "no_route", Detail: "No route matches this request."},
		http.StatusMethodNotAllowed: &rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"},
		http.StatusUpgradeRequired:  http.HandlerFunc(redirect),
	} {
		s.refusals[status] = s.chain(nil, nil, h)
	}
}

// chain wraps h in the plugins of a route, in the order of their priorities.
// For each plugin one of its uses runs: the most specific one.
func (s *state) chain(r *conf.Route, svc *conf.Service, h http.Handler) http.Handler {
	for _, name := range slices.Backward(plugin.Types().Names()) {
		next := h
		wrap := func(p *conf.Plugin) http.Handler {
			if p == nil {
				return next
			}
			return onlyFor(p, s.layers[p.ID].thing.Handler(next), next)
		}
		base := s.best(name, r, svc, "")
		by := map[string]http.Handler{}
		for _, p := range s.file.Plugins {
			if p.Name == name && p.Enabled && p.Consumer != "" && fits(p, r, svc, p.Consumer) {
				if _, done := by[string(p.Consumer)]; !done {
					by[string(p.Consumer)] = wrap(s.best(name, r, svc, p.Consumer))
				}
			}
		}
		h = wrap(base)
		if len(by) > 0 {
			h = byConsumer{by: by, others: h}
		}
	}
	return h
}

// byConsumer is where a plugin has a use of its own for some consumers.
type byConsumer struct {
	by     map[string]http.Handler
	others http.Handler
}

// ServeHTTP implements http.Handler.
func (b byConsumer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c := call.From(r.Context()); c.Consumer != nil {
		if h := b.by[c.Consumer.ID]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
	}
	b.others.ServeHTTP(w, r)
}

// onlyFor leaves a plugin out for requests of the scheme that it is not for.
func onlyFor(p *conf.Plugin, with, without http.Handler) http.Handler {
	plain, secure := slices.Contains(p.Protocols, "http"), slices.Contains(p.Protocols, "https")
	if plain && secure {
		return with
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := call.From(r.Context()); c.Scheme == "http" && plain || c.Scheme == "https" && secure {
			with.ServeHTTP(w, r)
			return
		}
		without.ServeHTTP(w, r)
	})
}

// fits reports whether p is for requests of that route, service and consumer.
func fits(p *conf.Plugin, r *conf.Route, svc *conf.Service, consumer conf.Ref) bool {
	return (p.Route == "" || r != nil && p.Route == conf.Ref(r.ID)) &&
		(p.Service == "" || svc != nil && p.Service == conf.Ref(svc.ID)) &&
		(p.Consumer == "" || p.Consumer == consumer)
}

// best returns the use of a plugin that Kong's precedence names: consumer,
// route and service, consumer and route, consumer and service, route and
// service, consumer, route, service, global.
func (s *state) best(name string, r *conf.Route, svc *conf.Service, consumer conf.Ref) *conf.Plugin {
	var found *conf.Plugin
	for _, p := range s.file.Plugins {
		if p.Name == name && p.Enabled && fits(p, r, svc, consumer) && (found == nil || weight(p) > weight(found)) {
			found = p
		}
	}
	return found
}

func weight(p *conf.Plugin) int {
	order := []string{"", "s", "r", "c", "rs", "cs", "cr", "crs"}
	key := ""
	if p.Consumer != "" {
		key += "c"
	}
	if p.Route != "" {
		key += "r"
	}
	if p.Service != "" {
		key += "s"
	}
	return slices.Index(order, key)
}

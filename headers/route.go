package headers

import (
	"net/http"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/request"
)

// A route is a header set for a part of the server.
type route struct {
	change func(*Config)
	set    atomic.Pointer[set]
}

// Route returns a layer whose responses carry other fixed headers than the rest:
// change edits a copy of the Config with the preset's values filled in, or
// chooses another Preset. It may touch Preset, the fixed headers from
// FrameOptions to Remove, and nothing else. The set is compiled and checked
// now, and again by each [Headers.Reconfigure], so change must not depend on
// anything that varies.
//
// The layer stands inside h.Handler, which has already judged host and scheme;
// where h.Handler is not around, the layer does that too.
func (h *Headers) Route(change func(*Config)) (func(next http.Handler) http.Handler, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.policy.Load()
	switch {
	case p == nil:
		return nil, conferr.New("headers.Headers", "Route", rampart.ReasonMissing, nil, "create the Headers with New before you call Route")
	case change == nil:
		return nil, conferr.New("headers.Headers.Route", "change", rampart.ReasonMissing, nil, "give a function that edits the Config")
	}
	rt := &route{change: change}
	s, err := rt.compile(h.cfg, p)
	if err != nil {
		return nil, err
	}
	rt.set.Store(s)
	h.routes = append(h.routes, rt)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a, ok := answerFrom(r.Context())
			if !ok || a.set.Load().owner != h {
				h.policy.Load().serve(w, r, next, rt.set.Load()) //nolint:contextcheck // the request carries it
				return
			}
			out, _ := r.Context().Value(writerKey{}).(*request.Writer)
			a.use(out, rt.set.Load())
			next.ServeHTTP(w, r)
		})
	}, nil
}

// compile applies the change to cfg, in which nothing is filled in.
func (rt *route) compile(cfg Config, p *policy) (*set, error) {
	filled := cfg.clone()
	filled.fillIn()
	changed := filled.clone()
	rt.change(&changed)
	changed = changed.clone() // the caller may keep what it put in

	bad := conferr.For("headers.Headers.Route")
	was, given, now := reflect.ValueOf(filled), reflect.ValueOf(cfg.clone()), reflect.ValueOf(&changed).Elem()
	for i := range now.NumField() {
		field := now.Type().Field(i)
		if !field.IsExported() || !same(was.Field(i), now.Field(i)) {
			bad.If(field.IsExported() && !isPerRoute(field.Name), field.Name, rampart.ReasonPointless, nil,
				"a route changes Preset and the fixed headers only; set this field for the whole server, in New")
			continue
		}
		now.Field(i).Set(given.Field(i)) // untouched: the preset decides again, which may be another
	}
	changed.checkFixed(bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	changed.fillIn()
	s, err := newSet(&changed)
	if err != nil {
		return nil, err
	}
	s.belongTo(p.set.owner, p.cookies)
	return s, nil
}

func same(a, b reflect.Value) bool {
	if a.Kind() == reflect.Func {
		return a.Pointer() == b.Pointer()
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func isPerRoute(field string) bool {
	return slices.Contains([]string{
		"Preset", "FrameOptions", "ReferrerPolicy", "OpenerPolicy", "EmbedderPolicy", "ResourcePolicy", "CacheControl",
		"CSP", "CSPReportOnly", "Permissions", "ReportingEndpoints", "Extra", "Remove",
	}, field)
}

// use replaces the response's set. What a layer in between has set stays.
func (a *answer) use(w *request.Writer, s *set) {
	old := a.set.Load()
	s = s.over(old.https)
	a.set.Store(s)
	w.Reshow(s.kind, func(h http.Header) {
		for _, e := range old.entries {
			switch got := h[e.name]; {
			case len(got) == 1 && got[0] == e.value:
				delete(h, e.name)
			case len(got) > 0:
				h[e.name] = slices.Clone(got) // the slots are for s now
			}
		}
	})
}

// Package admin is the gateway's Admin API: Kong's, for the entities that conf
// knows. Each change is checked as a whole configuration and takes effect at
// once, or not at all.
package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/engine"
	"github.com/ecolaura/rampart/internal/request"
)

// What the body of a request may have: a whole configuration, and all others.
const (
	maxConfig = 16 << 20
	maxBody   = 1 << 20
)

// An API is the handler of the Admin API. Wrap it in Protect.
type API struct {
	Engine  *engine.Engine
	Save    func(text []byte) error     // to the file, for ?save=true; nil: there is none
	Reload  func(context.Context) error // of the file
	Metrics http.Handler                // for Prometheus

	once   sync.Once
	table  []endpoint
	saving sync.Mutex
}

// An endpoint is an address. What stands in braces in its path is a name.
type endpoint struct {
	path    string
	methods []method
	parts   []string // of path
}

// A method is what can be done at an endpoint, and with which query parameters.
type method struct {
	name  string
	query string
	serve func(w http.ResponseWriter, r *http.Request, names []string) error
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.once.Do(func() { a.table = a.endpoints() })
	if err := a.serve(w, r); err != nil {
		refuse(w, err)
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	e, names, err := a.find(r.URL)
	if err != nil {
		return err
	}
	name := r.Method
	if name == http.MethodHead {
		name = http.MethodGet
	}
	i := slices.IndexFunc(e.methods, func(m method) bool { return m.name == name })
	if i < 0 {
		w.Header().Set("Allow", e.allow())
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return errMethod
	}
	if err := checkQuery(r, e.methods[i].query); err != nil {
		return err
	}
	most := int64(maxBody)
	if e.path == "/config" {
		most = maxConfig
	}
	r.Body = request.MaxBytes(w, r, most)
	return e.methods[i].serve(w, r, names)
}

// find returns the endpoint of an address, and the names in it.
func (a *API) find(u *url.URL) (*endpoint, []string, error) {
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, p := range parts {
		var err error
		if parts[i], err = url.PathUnescape(p); err != nil {
			return nil, nil, conf.ErrNotFound
		}
	}
	for i := range a.table {
		if names, ok := a.table[i].match(parts); ok {
			return &a.table[i], names, nil
		}
	}
	return nil, nil, conf.ErrNotFound
}

func (e *endpoint) match(parts []string) (names []string, ok bool) {
	if len(parts) != len(e.parts) {
		return nil, false
	}
	for i, p := range e.parts {
		switch {
		case strings.HasPrefix(p, "{") && parts[i] != "":
			names = append(names, parts[i])
		case p != parts[i]:
			return nil, false
		}
	}
	return names, true
}

// allow lists the methods, as Kong does.
func (e *endpoint) allow() string {
	names := []string{http.MethodOptions}
	for _, m := range e.methods {
		names = append(names, m.name)
		if m.name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// checkQuery refuses a query parameter that would be ignored.
func checkQuery(r *http.Request, allowed string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &refusal{http.StatusBadRequest, codeOptions, "query", "it cannot be read"}
	}
	known := strings.Fields(allowed)
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			return &refusal{http.StatusBadRequest, codeOptions, name, fmt.Sprintf("unknown query parameter; known here are %s", cmp.Or(allowed, "none"))}
		case len(values) > 1:
			return &refusal{http.StatusBadRequest, codeOptions, name, "given twice"}
		}
	}
	return nil
}

// endpoints lists all; one that has words goes before one that has names there.
func (a *API) endpoints() []endpoint {
	table := slices.Concat(a.ownEndpoints(), a.cacheEndpoints(), a.planEndpoints(), a.memberEndpoints(), a.entityEndpoints())
	for i := range table {
		table[i].parts = strings.Split(strings.Trim(table[i].path, "/"), "/")
	}
	return table
}

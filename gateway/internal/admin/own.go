package admin

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
)

// speaks is the version of Kong whose Admin API and schemas these are.
const speaks = "3.9.1"

// ownEndpoints are those that are not about one kind of entity.
func (a *API) ownEndpoints() []endpoint {
	get := func(path, query string, serve func(http.ResponseWriter, *http.Request, []string) error) endpoint {
		return endpoint{path: path, methods: []method{{http.MethodGet, query, serve}}}
	}
	post := func(path, query string, serve func(http.ResponseWriter, *http.Request, []string) error) endpoint {
		return endpoint{path: path, methods: []method{{http.MethodPost, query, serve}}}
	}
	config := get("/config", "", a.showConfig)
	config.methods = append(config.methods, method{http.MethodPost, "save check_hash flatten_errors", a.replace})
	health := func(word string) endpoint {
		set := func(w http.ResponseWriter, _ *http.Request, names []string) error {
			return a.setHealth(w, names, word == "healthy")
		}
		return endpoint{path: "/upstreams/{upstreams}/targets/{targets}/" + word, methods: []method{
			{http.MethodPut, "", set}, {http.MethodPost, "", set},
		}}
	}
	return []endpoint{
		get("/", "", a.root),
		get("/endpoints", "", a.showEndpoints),
		get("/status", "", a.status),
		get("/status/ready", "", a.ready),
		get("/metrics", "", a.metrics),
		config,
		post("/reload", "", a.reload),
		get("/tags", "size offset", a.tags),
		get("/tags/{tags}", "size offset", a.tags),
		get("/plugins/enabled", "", a.enabledPlugins),
		get("/plugins/schema/{name}", "", a.configSchema),
		post("/schemas/{name}/validate", "", a.validate), // a plugin of that name would have to stand behind it, as in Kong
		get("/schemas/plugins/{name}", "", a.pluginSchema),
		get("/schemas/{name}", "", a.schema),
		get("/upstreams/{upstreams}/health", "size offset", a.health),
		get("/upstreams/{upstreams}/targets/all", listQuery, a.allTargets),
		health("healthy"),
		health("unhealthy"),
	}
}

func (a *API) root(w http.ResponseWriter, _ *http.Request, _ []string) error {
	available, inUse := map[string]bool{}, map[string]bool{}
	for _, p := range plugin.Types().Names() {
		available[p] = true
	}
	for _, p := range a.Engine.File().Plugins {
		inUse[p.Name] = true
	}
	host, _ := os.Hostname()
	answer(w, http.StatusOK, map[string]any{
		"tagline": "rampart gateway", "server": "rampart, which is not Kong: version names the Kong whose Admin API and schemas it speaks",
		"version": speaks, "edition": "community", "hostname": host,
		"lua_version": nil, "go_version": runtime.Version(),
		"configuration": map[string]any{"database": "memory"},
		"plugins":       map[string]any{"available_on_server": available, "enabled_in_cluster": slices.Sorted(maps.Keys(inUse))},
	})
	return nil
}

func (a *API) showEndpoints(w http.ResponseWriter, _ *http.Request, _ []string) error {
	var paths []string
	for _, e := range a.table {
		paths = append(paths, e.path)
	}
	slices.Sort(paths)
	answer(w, http.StatusOK, map[string]any{"data": slices.Compact(paths)})
	return nil
}

func (a *API) status(w http.ResponseWriter, _ *http.Request, _ []string) error {
	total, active := a.Engine.Requests()
	f := a.Engine.File()
	counts := map[string]int{}
	for _, k := range conf.Kinds() {
		counts[k.Name] = k.Count(f)
	}
	answer(w, http.StatusOK, map[string]any{
		"server":   map[string]any{"total_requests": total, "connections_active": active},
		"entities": counts, "database": map[string]any{"reachable": true},
	})
	return nil
}

// ready says that there is a configuration, which may be an empty one: as soon as
// this is served, it is.
func (*API) ready(w http.ResponseWriter, _ *http.Request, _ []string) error {
	answer(w, http.StatusOK, map[string]any{"message": "ready"})
	return nil
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request, _ []string) error {
	a.Metrics.ServeHTTP(w, r)
	return nil
}

func (*API) enabledPlugins(w http.ResponseWriter, _ *http.Request, _ []string) error {
	answer(w, http.StatusOK, map[string]any{"enabled_plugins": plugin.Types().Names()})
	return nil
}

func (*API) schema(w http.ResponseWriter, _ *http.Request, names []string) error {
	k, ok := conf.KindNamed(names[0])
	if !ok {
		return conf.ErrNotFound
	}
	answer(w, http.StatusOK, k.Schema())
	return nil
}

func (*API) pluginSchema(w http.ResponseWriter, _ *http.Request, names []string) error {
	s, ok := plugin.Types().Schema(names[0])
	if !ok {
		return conf.ErrNotFound
	}
	answer(w, http.StatusOK, s)
	return nil
}

// configSchema is the older form, of the configuration alone.
func (*API) configSchema(w http.ResponseWriter, _ *http.Request, names []string) error {
	s, ok := plugin.Types().ConfigSchema(names[0])
	if !ok {
		return conf.ErrNotFound
	}
	answer(w, http.StatusOK, s)
	return nil
}

// validate checks an entity by itself: what it refers to need not be there, nor
// what it may not be beside.
func (a *API) validate(w http.ResponseWriter, r *http.Request, names []string) error {
	k, ok := conf.KindNamed(names[0])
	if !ok {
		return conf.ErrNotFound
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	_, _, err = a.Engine.File().Apply(conf.Change{Kind: k, Body: body, Now: time.Now().Unix()})
	ms, _ := errors.AsType[conf.Mistakes](err)
	ms = slices.DeleteFunc(slices.Clone(ms), func(m conf.Mistake) bool { return m.Taken || m.Missing })
	if len(ms) > 0 {
		return ms
	}
	answer(w, http.StatusOK, map[string]any{"message": "schema validation successful"})
	return nil
}

func (a *API) reload(w http.ResponseWriter, r *http.Request, _ []string) error {
	if err := a.Reload(r.Context()); err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{"message": "reloaded"})
	return nil
}

func (a *API) showConfig(w http.ResponseWriter, _ *http.Request, _ []string) error {
	text, err := a.Engine.File().YAML()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(text)
	return nil
}

// replace replaces everything. With check_hash, what says the same as what is in
// use is 304.
func (a *API) replace(w http.ResponseWriter, r *http.Request, _ []string) error {
	if flat, err := flag(r, "flatten_errors"); flat || err != nil {
		return &refusal{http.StatusBadRequest, codeOptions, "flatten_errors", "errors are always listed in fields, by their paths"}
	}
	check, err := flag(r, "check_hash")
	if err != nil {
		return err
	}
	text, err := document(r)
	if err != nil {
		return err
	}
	same := false
	err = a.change(r, func(old *conf.File) (*conf.File, error) {
		f, err := a.Engine.Parse(text)
		if err == nil && check && conf.Same(f, old) {
			same = true
			return old, nil
		}
		return f, err
	})
	switch {
	case err != nil:
		return err
	case same:
		w.WriteHeader(http.StatusNotModified)
	default:
		answer(w, http.StatusCreated, map[string]any{"message": "loaded"})
	}
	return nil
}

// document returns the document in a body: the body, or its field config.
func document(r *http.Request) ([]byte, error) {
	media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "multipart/form-data" {
		form, err := multipartForm(r.Body, params["boundary"])
		if err != nil {
			return nil, err
		}
		return configOf(form)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	switch {
	case media == "application/x-www-form-urlencoded" && strings.HasPrefix(string(text), "config="):
		form, err := urlencodedForm(string(text))
		if err != nil {
			return nil, err
		}
		return configOf(form)
	case media == "application/json":
		var outer struct {
			Config *string `json:"config"`
		}
		if json.Unmarshal(text, &outer) == nil && outer.Config != nil {
			return []byte(*outer.Config), nil
		}
	}
	return text, nil
}

// configOf returns the one field of a form.
func configOf(form map[string][]string) ([]byte, error) {
	if len(form) != 1 || len(form["config"]) != 1 {
		return nil, conf.Mistakes{{Path: "config", Reason: "one field of that name, and no other, is wanted"}}
	}
	return []byte(form["config"][0]), nil
}

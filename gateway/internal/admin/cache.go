package admin

import (
	"net/http"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
)

// cacheEndpoints show and purge what proxy-cache keeps, as in Kong.
func (a *API) cacheEndpoints() []endpoint {
	store := a.Engine.Cache
	empty := func(w http.ResponseWriter, _ *http.Request, _ []string) error {
		store().Clear()
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	one := func(path string, find func(names []string) (key string, found *plugin.Cached)) endpoint {
		return endpoint{path: path, methods: []method{
			{http.MethodGet, "", func(w http.ResponseWriter, _ *http.Request, names []string) error {
				_, found := find(names)
				if found == nil {
					return conf.ErrNotFound
				}
				answer(w, http.StatusOK, map[string]any{ // without the body, which is a client's
					"status": found.Status, "headers": found.Header, "body_len": len(found.Body),
					"timestamp": found.Stored.Unix(), "ttl": int(found.TTL.Seconds()), "plugin": map[string]any{"id": found.Plugin},
				})
				return nil
			}},
			{http.MethodDelete, "", func(w http.ResponseWriter, _ *http.Request, names []string) error {
				key, found := find(names)
				if found == nil {
					return conf.ErrNotFound
				}
				store().Purge(key)
				w.WriteHeader(http.StatusNoContent)
				return nil
			}},
		}}
	}
	return []endpoint{
		{path: "/proxy-cache", methods: []method{{http.MethodDelete, "", empty}}},
		one("/proxy-cache/{key}", func(names []string) (string, *plugin.Cached) { return names[0], store().Get(names[0]) }),
		one("/proxy-cache/{plugins}/caches/{key}", func(names []string) (string, *plugin.Cached) {
			found := store().Get(names[1])
			if found != nil && found.Plugin != names[0] {
				found = nil
			}
			return names[1], found
		}),
	}
}

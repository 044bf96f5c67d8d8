package admin

import "net/http"

// cache serves /proxy-cache, /proxy-cache/KEY and /proxy-cache/PLUGIN/caches/KEY.
func (a *API) cache(w http.ResponseWriter, r *http.Request, parts []string) {
	store := a.Engine.Cache()
	plugin, key := "", ""
	switch {
	case len(parts) == 0 && r.Method == http.MethodDelete:
		store.Clear()
		w.WriteHeader(http.StatusNoContent)
		return
	case len(parts) == 1:
		key = parts[0]
	case len(parts) == 3 && parts[1] == "caches":
		plugin, key = parts[0], parts[2]
	}
	found := store.Get(key)
	if found == nil || plugin != "" && found.Plugin != plugin {
		problem(w, http.StatusNotFound, "not_found", "Not found")
		return
	}
	switch r.Method {
	case http.MethodDelete:
		store.Purge(key)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead: // without the body, which is a client's
		answer(w, http.StatusOK, map[string]any{
			"status": found.Status, "headers": found.Header, "body_len": len(found.Body),
			"timestamp": found.Stored.Unix(), "ttl": int(found.TTL.Seconds()), "plugin": map[string]any{"id": found.Plugin},
		})
	default:
		w.Header().Set("Allow", "GET, HEAD, DELETE")
		problem(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
	}
}

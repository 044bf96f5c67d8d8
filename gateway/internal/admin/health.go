package admin

import (
	"net/http"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// upstream finds an upstream and its targets.
func (a *API) upstream(name string) (u *conf.Upstream, f *conf.File, err error) {
	f = a.Engine.File()
	k, _ := conf.KindNamed("upstreams")
	u, ok := k.Find(f, name).(*conf.Upstream)
	if !ok {
		return nil, nil, conf.ErrNotFound
	}
	return u, f, nil
}

// health lists the targets that get requests, or would if they were well.
func (a *API) health(w http.ResponseWriter, r *http.Request, names []string) error {
	u, f, err := a.upstream(names[0])
	if err != nil {
		return err
	}
	health := a.Engine.Health(u.Name)
	var items []item
	for _, t := range f.Targets {
		well, ok := health[t.Target]
		if t.Upstream != conf.Ref(u.ID) || !ok {
			continue
		}
		word := "UNHEALTHY"
		if well {
			word = "HEALTHY"
		}
		items = append(items, item{t.ID, func() any {
			row := f.Show(t)
			row["health"] = word
			return row
		}})
	}
	return page(w, r, items)
}

// setHealth overrules the health checks.
func (a *API) setHealth(w http.ResponseWriter, names []string, well bool) error {
	u, f, err := a.upstream(names[0])
	if err != nil {
		return err
	}
	k, _ := conf.KindNamed("targets")
	t, ok := k.FindBelow(f, "upstream", u.ID, names[1]).(*conf.Target)
	if !ok || !a.Engine.SetHealth(u.Name, t.Target, well) {
		return conf.ErrNotFound
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// allTargets lists the targets of an upstream. Here that is the same as the list of
// them: there are no old ones.
func (a *API) allTargets(w http.ResponseWriter, r *http.Request, names []string) error {
	u, _, err := a.upstream(names[0])
	if err != nil {
		return err
	}
	k, _ := conf.KindNamed("targets")
	return a.list(w, r, nil, func(*conf.File, []string) (place, error) {
		return place{kind: k, field: "upstream", parent: u.ID}, nil
	})
}

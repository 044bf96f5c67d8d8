package admin

import (
	"net/http"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"go.yaml.in/yaml/v3"
)

// memberships are the kind that Kong's Admin API has no addresses for: it shows
// the consumers of a group, and the groups of a consumer.
const memberships = "consumer_group_consumers"

// memberEndpoints are those of consumers in groups.
func (a *API) memberEndpoints() []endpoint {
	groups, _ := conf.KindNamed("consumer_groups")
	consumers, _ := conf.KindNamed("consumers")
	var all []endpoint
	for _, m := range []struct {
		above, below conf.Kind
		field        string // by which a body names the other one
		same         bool   // above is the group
	}{{groups, consumers, "consumer", true}, {consumers, groups, "group", false}} {
		pair := func(f *conf.File, one, other string) (group, consumer conf.Entity, err error) {
			g, c := m.above.Find(f, one), m.below.Find(f, other)
			if !m.same {
				g, c = c, g
			}
			if g == nil || c == nil {
				return nil, nil, conf.ErrNotFound
			}
			return g, c, nil
		}
		path := "/" + m.above.Path + "/{" + m.above.Path + "}/" + m.below.Path
		all = append(all, endpoint{path: path, methods: []method{
			{http.MethodGet, listQuery, func(w http.ResponseWriter, r *http.Request, names []string) error {
				f := a.Engine.File()
				e := m.above.Find(f, names[0])
				if e == nil {
					return conf.ErrNotFound
				}
				has, err := tagFilter(r.URL.Query())
				if err != nil {
					return err
				}
				var items []item
				for other := range m.below.All(f) {
					g, c := conf.ID(e), conf.ID(other)
					if !m.same {
						g, c = c, g
					}
					if f.Member(g, c) != nil && has(conf.Tags(other)) {
						items = append(items, item{conf.ID(other), func() any { return f.Show(other) }})
					}
				}
				return page(w, r, items)
			}},
			{http.MethodPost, saveQuery, func(w http.ResponseWriter, r *http.Request, names []string) error {
				body, err := readBody(r)
				if err != nil {
					return err
				}
				other, err := conf.Only(body, m.field)
				if err != nil {
					return err
				}
				var g, c conf.Entity
				err = a.change(r, func(f *conf.File) (*conf.File, error) {
					if g, c, err = pair(f, names[0], other); err != nil {
						return nil, err
					}
					return join(f, g, c)
				})
				if err != nil {
					return err
				}
				f := a.Engine.File()
				answer(w, http.StatusCreated, map[string]any{"consumer_group": f.Show(g), "consumers": []any{f.Show(c)}})
				return nil
			}},
		}}, endpoint{path: path + "/{" + m.below.Path + "}", methods: []method{
			{http.MethodGet, "", func(w http.ResponseWriter, _ *http.Request, names []string) error {
				f := a.Engine.File()
				g, c, err := pair(f, names[0], names[1])
				if err != nil || f.Member(conf.ID(g), conf.ID(c)) == nil {
					return conf.ErrNotFound
				}
				answer(w, http.StatusOK, map[string]any{"consumer_group": f.Show(g), "consumer": f.Show(c)})
				return nil
			}},
			{http.MethodDelete, saveQuery, func(w http.ResponseWriter, r *http.Request, names []string) error {
				err := a.change(r, func(f *conf.File) (*conf.File, error) {
					g, c, err := pair(f, names[0], names[1])
					if err != nil {
						return nil, err
					}
					m := f.Member(conf.ID(g), conf.ID(c))
					if m == nil {
						return nil, conf.ErrNotFound
					}
					k, _ := conf.KindNamed(memberships)
					return f.Delete(k, m)
				})
				if err != nil {
					return err
				}
				w.WriteHeader(http.StatusNoContent)
				return nil
			}},
		}})
	}
	return all
}

// withMembers shows a group as Kong does: beside its consumers.
func withMembers(f *conf.File, g *conf.ConsumerGroup) map[string]any {
	consumers := []any{}
	for _, c := range f.Consumers {
		if f.Member(g.ID, c.ID) != nil {
			consumers = append(consumers, f.Show(c))
		}
	}
	return map[string]any{"consumer_group": f.Show(g), "consumers": consumers}
}

// join puts a consumer into a group.
func join(f *conf.File, group, consumer conf.Entity) (*conf.File, error) {
	k, _ := conf.KindNamed(memberships)
	body := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range [][2]string{{"consumer", conf.ID(consumer)}, {"consumer_group", conf.ID(group)}} {
		var name, id yaml.Node
		name.SetString(p[0])
		id.SetString(p[1])
		body.Content = append(body.Content, &name, &id)
	}
	next, _, err := f.Apply(conf.Change{Kind: k, Body: body, Now: time.Now().Unix()})
	return next, err
}

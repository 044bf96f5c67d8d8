package admin

import (
	"fmt"
	"net/http"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"go.yaml.in/yaml/v3"
)

// place is what an address names.
type place struct {
	kind   conf.Kind
	field  string // by which the entities belong to parent
	parent string // id; "": all
	entity string // id or name; "": the collection
}

// entities serves collections and their entities, alone and below another.
func (a *API) entities(w http.ResponseWriter, r *http.Request, parts []string) {
	at, err := a.place(parts)
	if err != nil {
		refuse(w, err)
		return
	}
	f := a.Engine.File()
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		if at.entity == "" {
			data := []any{}
			for _, e := range at.kind.List(f) {
				if at.owns(e) {
					data = append(data, conf.JSON(e))
				}
			}
			answer(w, http.StatusOK, map[string]any{"data": data, "next": nil})
			return
		}
		e := at.kind.Find(f, at.entity)
		if e == nil || !at.owns(e) {
			refuse(w, conf.ErrNotFound)
			return
		}
		answer(w, http.StatusOK, conf.JSON(e))
	case r.Method == http.MethodPost && at.entity == "",
		(r.Method == http.MethodPut || r.Method == http.MethodPatch) && at.entity != "":
		a.write(w, r, at)
	case r.Method == http.MethodDelete && at.entity != "":
		err := a.change(r, func(f *conf.File) (*conf.File, error) {
			e := at.kind.Find(f, at.entity)
			if e == nil || !at.owns(e) {
				return f, nil // as in Kong: it is gone
			}
			return f.Delete(at.kind, conf.ID(e))
		})
		if err != nil {
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE")
		problem(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
	}
}

// owns reports whether an entity belongs to the place.
func (p place) owns(e conf.Entity) bool {
	if p.parent == "" {
		return true
	}
	ref, _ := conf.JSON(e)[p.field].(map[string]any)
	return ref["id"] == p.parent
}

// place finds out what an address names.
func (a *API) place(parts []string) (place, error) {
	k, ok := conf.KindNamed(collection(parts[0]))
	if !ok || len(parts) > 4 {
		return place{}, conf.ErrNotFound
	}
	if len(parts) == 1 {
		return place{kind: k}, nil
	}
	if len(parts) == 2 {
		return place{kind: k, entity: parts[1]}, nil
	}
	e := k.Find(a.Engine.File(), parts[1])
	if e == nil {
		return place{}, conf.ErrNotFound
	}
	if parts[0] == "routes" && parts[2] == "service" && len(parts) == 3 {
		r, _ := e.(*conf.Route)
		services, _ := conf.KindNamed("services")
		return place{kind: services, entity: string(r.Service)}, nil
	}
	name, field, ok := nested(parts[0], parts[2])
	if !ok {
		return place{}, conf.ErrNotFound
	}
	child, _ := conf.KindNamed(name)
	p := place{kind: child, field: field, parent: conf.ID(e)}
	if len(parts) == 4 {
		p.entity = parts[3]
	}
	return p, nil
}

// write makes or changes an entity.
func (a *API) write(w http.ResponseWriter, r *http.Request, at place) {
	body, err := readBody(r)
	if err != nil {
		refuse(w, err)
		return
	}
	c := conf.Change{
		Kind: at.kind, Entity: at.entity, Replace: r.Method == http.MethodPut,
		Body: body, ID: newID(), Now: now(),
	}
	if at.parent != "" {
		c.Within = map[string]string{at.field: at.parent}
	}
	var made conf.Entity
	err = a.change(r, func(f *conf.File) (*conf.File, error) {
		if e := at.kind.Find(f, at.entity); e != nil && !at.owns(e) {
			return nil, conf.ErrNotFound
		}
		next, e, err := f.Apply(c)
		made = e
		return next, err
	})
	if err != nil {
		refuse(w, err)
		return
	}
	out := conf.JSON(made)
	if ws := warnings(made, body); len(ws) > 0 {
		out["warnings"] = ws
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	answer(w, status, out)
}

// warnings names defaults of Kong that surprise.
func warnings(e conf.Entity, body *yaml.Node) []string {
	var ws []string
	if r, ok := e.(*conf.Route); ok && r.StripPath && len(r.Paths) > 0 && !conf.Given(body, "strip_path") && r.Paths[0] != "/" {
		ws = append(ws, fmt.Sprintf("strip_path is true unless you say otherwise: the upstream sees paths without %s in front; "+
			"set strip_path=false to keep it", r.Paths[0]))
	}
	return ws
}

package admin

import (
	"fmt"
	"net/http"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"go.yaml.in/yaml/v3"
)

// place is what an address names.
type place struct {
	kind   conf.Kind
	field  string // by which the entities belong to parent
	parent string // id; "": all
	entity string // id or key; "": the collection
}

const (
	listQuery = "size offset tags"
	saveQuery = "save"
)

// entityEndpoints are those of each kind: alone, below what it belongs to, and the
// other way round.
func (a *API) entityEndpoints() (all []endpoint) {
	for _, k := range conf.Kinds() {
		path := "/" + k.Path
		query := listQuery
		if k.Name == "consumers" {
			query += " custom_id"
		}
		alone := func(_ *conf.File, names []string) (place, error) {
			p := place{kind: k}
			if len(names) > 0 {
				p.entity = names[0]
			}
			return p, nil
		}
		all = append(all, a.collection(path, query, alone), a.entity(path+"/{"+k.Path+"}", alone, true))
		for _, r := range k.References() {
			parent, ok := conf.KindNamed(r.Kind)
			if !ok {
				continue
			}
			above := "/" + parent.Path + "/{" + parent.Path + "}"
			below := func(f *conf.File, names []string) (place, error) {
				e := parent.Find(f, names[0])
				if e == nil {
					return place{}, conf.ErrNotFound
				}
				p := place{kind: k, field: r.Field, parent: conf.ID(e)}
				if len(names) > 1 {
					p.entity = names[1]
				}
				return p, nil
			}
			other := func(f *conf.File, names []string) (place, error) {
				e := k.Find(f, names[0])
				if e == nil {
					return place{}, conf.ErrNotFound
				}
				id := conf.Refers(e, r.Field)
				if id == "" {
					return place{}, conf.ErrNotFound
				}
				return place{kind: parent, entity: id}, nil
			}
			all = append(all,
				a.collection(above+"/"+k.Below, listQuery, below),
				a.entity(above+"/"+k.Below+"/{"+k.Path+"}", below, true),
				a.entity(path+"/{"+k.Path+"}/"+r.Field, other, false))
		}
	}
	return all
}

type finder func(f *conf.File, names []string) (place, error)

func (a *API) collection(path, query string, find finder) endpoint {
	return endpoint{path: path, methods: []method{
		{http.MethodGet, query, func(w http.ResponseWriter, r *http.Request, names []string) error {
			return a.list(w, r, names, find)
		}},
		{http.MethodPost, saveQuery, func(w http.ResponseWriter, r *http.Request, names []string) error {
			return a.write(w, r, names, find)
		}},
	}}
}

func (a *API) entity(path string, find finder, deletable bool) endpoint {
	write := func(w http.ResponseWriter, r *http.Request, names []string) error { return a.write(w, r, names, find) }
	e := endpoint{path: path, methods: []method{
		{http.MethodGet, "", func(w http.ResponseWriter, _ *http.Request, names []string) error {
			return a.show(w, names, find)
		}},
		{http.MethodPut, saveQuery, write},
		{http.MethodPatch, saveQuery, write},
	}}
	if deletable {
		e.methods = append(e.methods, method{http.MethodDelete, saveQuery, func(w http.ResponseWriter, r *http.Request, names []string) error {
			return a.remove(w, r, names, find)
		}})
	}
	return e
}

// find returns the entity at p, nil if there is none.
func (p place) find(f *conf.File) conf.Entity {
	if p.parent != "" {
		return p.kind.FindBelow(f, p.field, p.parent, p.entity)
	}
	return p.kind.Find(f, p.entity)
}

func (a *API) show(w http.ResponseWriter, names []string, find finder) error {
	f := a.Engine.File()
	at, err := find(f, names)
	if err != nil {
		return err
	}
	e := at.find(f)
	if e == nil {
		return conf.ErrNotFound
	}
	answer(w, http.StatusOK, f.Show(e))
	return nil
}

// write makes or changes an entity. What its address names is looked up in the
// same configuration that is changed.
func (a *API) write(w http.ResponseWriter, r *http.Request, names []string, find finder) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	var next *conf.File
	var made conf.Entity
	err = a.change(r, func(f *conf.File) (*conf.File, error) {
		at, err := find(f, names)
		if err != nil {
			return nil, err
		}
		next, made, err = f.Apply(conf.Change{
			Kind: at.kind, Entity: at.entity, Field: at.field, Parent: at.parent,
			Replace: r.Method == http.MethodPut, Body: body, Now: time.Now().Unix(),
		})
		return next, err
	})
	if err != nil {
		return err
	}
	out := next.Show(made)
	if ws := warnings(made, body); len(ws) > 0 {
		out["warnings"] = ws
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	answer(w, status, out)
	return nil
}

// remove deletes. As in Kong, an id that is not there is gone already, except below
// a parent. A name that is not there is 404: it may be written wrongly, and what
// was meant is still there.
func (a *API) remove(w http.ResponseWriter, r *http.Request, names []string, find finder) error {
	err := a.change(r, func(f *conf.File) (*conf.File, error) {
		at, err := find(f, names)
		if err != nil {
			return nil, err
		}
		e := at.find(f)
		switch {
		case e != nil:
			return f.Delete(at.kind, e)
		case at.parent == "" && conf.LooksLikeID(at.entity):
			return f, nil
		}
		return nil, conf.ErrNotFound
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
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

// change edits the configuration, and writes it to the file if that is asked
// for. What cannot be written is still in use, and the error says so.
func (a *API) change(r *http.Request, edit func(*conf.File) (*conf.File, error)) error {
	wanted, err := flag(r, "save")
	if err != nil {
		return err
	}
	if wanted && a.Save == nil {
		return conf.Mistakes{{Path: "save", Reason: "the gateway was started without a file (-config)"}}
	}
	if err := a.Engine.Edit(edit); err != nil || !wanted {
		return err
	}
	a.saving.Lock()
	defer a.saving.Unlock()
	text, err := a.Engine.File().YAML()
	if err == nil {
		err = a.Save(text)
	}
	if err != nil {
		return &notSavedError{err}
	}
	return nil
}

// flag reads a query parameter that is true or false.
func flag(r *http.Request, name string) (bool, error) {
	switch r.URL.Query().Get(name) {
	case "true", "1":
		return true, nil
	case "", "false", "0":
		return false, nil
	}
	return false, &refusal{http.StatusBadRequest, codeOptions, name, "true or false is wanted"}
}

package admin

import (
	"net/http"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// planEndpoints show and reset what a consumer has used of his plan, and rotate keys.
func (a *API) planEndpoints() []endpoint {
	consumers, _ := conf.KindNamed("consumers")
	keys, _ := conf.KindNamed("keyauth_credentials")
	consumer := func(f *conf.File, name string) (*conf.Consumer, error) {
		if c, ok := consumers.Find(f, name).(*conf.Consumer); ok {
			return c, nil
		}
		return nil, conf.ErrNotFound
	}
	away := func(w http.ResponseWriter, err error) error {
		problem(w, http.StatusServiceUnavailable, codeNone, "limits_unavailable", "what keeps the counts does not answer: "+err.Error(), nil)
		return nil
	}
	usage := endpoint{path: "/consumers/{consumers}/usage", methods: []method{
		{http.MethodGet, "", func(w http.ResponseWriter, r *http.Request, names []string) error {
			f := a.Engine.File()
			c, err := consumer(f, names[0])
			if err != nil {
				return err
			}
			used, err := a.Engine.Plans().Usage(r.Context(), c)
			if err != nil {
				return away(w, err)
			}
			answer(w, http.StatusOK, map[string]any{"plan": f.PlanName(c), "data": used})
			return nil
		}},
		{http.MethodDelete, "", func(w http.ResponseWriter, r *http.Request, names []string) error {
			c, err := consumer(a.Engine.File(), names[0])
			if err != nil {
				return err
			}
			if err := a.Engine.Plans().Reset(r.Context(), c); err != nil {
				return away(w, err)
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}},
	}}
	rotate := func(w http.ResponseWriter, r *http.Request, names []string) error {
		body, err := readBody(r)
		if err != nil {
			return err
		}
		var next *conf.File
		var made conf.Entity
		err = a.change(r, func(f *conf.File) (*conf.File, error) {
			c, err := consumer(f, names[0])
			if err != nil {
				return nil, err
			}
			next, made, err = f.Rotate(conf.Change{Kind: keys, Entity: names[1], Field: "consumer", Parent: c.ID, Body: body, Now: time.Now().Unix()})
			return next, err
		})
		if err != nil {
			return err
		}
		answer(w, http.StatusCreated, next.Show(made))
		return nil
	}
	return []endpoint{usage, {path: "/consumers/{consumers}/key-auth/{key-auths}/rotate", methods: []method{{http.MethodPost, saveQuery, rotate}}}}
}

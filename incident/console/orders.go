package console

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxOrders is how many orders the operators' calls list at a time, and maxExport how
// many an export has at most.
const (
	maxOrders = 100
	maxExport = 10_000
)

// A reach tells on how many instances an order is in force.
type reach struct {
	Instances int `json:"instances"`
	Of        int `json:"of"`
	Behind    []struct {
		ID      string    `json:"id"`
		Version string    `json:"version"`
		Seen    time.Time `json:"seen"`
	} `json:"behind"`
}

// String is "3 of 3".
func (r *reach) String() string {
	switch {
	case r == nil:
		return "not known"
	case r.Of == 0:
		return "this one; the others cannot be asked"
	}
	return fmt.Sprintf("%d of %d", r.Instances, r.Of)
}

// An order is one of the audit trail.
type order struct {
	ID      string          `json:"id"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Target  string          `json:"target,omitempty"`
	Note    string          `json:"note,omitempty"`
	State   string          `json:"state"`
	Answer  json.RawMessage `json:"answer,omitempty"`
	InForce *reach          `json:"in_force,omitempty"`
}

func (c *Console) orders(r *http.Request, before string, limit int) ([]order, string, error) {
	var body struct {
		Orders []order
		Next   string
	}
	err := c.get(r, fmt.Sprintf("/orders/?limit=%d&before=%s", limit, url.QueryEscape(before)), &body)
	return body.Orders, body.Next, err
}

// A measure is an order that is in force.
type measure struct {
	Action, Target, Says string
	Until                time.Time
	Lift, Field          string // the order that lifts it, and its field
	By                   *order // which of the audit trail it is; nil: not known
}

// maxReached is of how many measures the console asks where they are in force.
const maxReached = 20

// force lists what is in force, with the order that made it so.
func (c *Console) force(r *http.Request, trail []order) []measure {
	var list []measure
	var lock struct {
		Mode        string
		Until       time.Time
		Actor, Note string
	}
	if c.get(r, "/lockdown/", &lock) == nil && lock.Mode != "" && lock.Mode != "off" {
		list = append(list, measure{Action: "lockdown", Says: "locked down: " + lock.Mode, Until: lock.Until, Lift: "lift_lockdown"})
	}
	for _, p := range c.rates(r) {
		if !p.Until.IsZero() && p.Until.After(time.Now()) {
			list = append(list, measure{Action: "tighten", Target: p.Policy, Says: p.Policy + " counts by " + p.Rate + " instead of " + p.Configured, Until: p.Until, Lift: "loosen", Field: "policy"})
		}
	}
	for _, b := range c.blocks(r) {
		list = append(list, measure{Action: "block", Target: b.Prefix.String(), Says: b.Prefix.String() + " is refused", Until: b.Until, Lift: "unblock", Field: "prefix"})
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	for i := range min(len(list), maxReached) {
		m := &list[i]
		at := slices.IndexFunc(trail, func(o order) bool { return o.Action == m.Action && o.Target == m.Target && o.State == "done" })
		if at < 0 {
			continue
		}
		m.By = &order{}
		if c.get(r.WithContext(ctx), "/orders/"+url.PathEscape(trail[at].ID)+"/", m.By) != nil {
			m.By = &trail[at]
		}
	}
	return list
}

// maxForm bounds the body of a form.
const maxForm = 16 << 10

// form reads the form of an order; a refusal is shown.
func (c *Console) form(w http.ResponseWriter, r *http.Request) (action, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	a, ok := actionOf(r.PostForm.Get("do"))
	if err != nil || !ok {
		c.show(w, r, http.StatusUnprocessableEntity, "given", "Order", given{Refused: &problem{Detail: "This is no order."}})
		return a, false
	}
	return a, true
}

// A previewed is an order before it is given.
type previewed struct {
	Action action
	Form   url.Values
	Effect []string
	Once   string // so that a form that is sent twice is one order
}

// preview shows whom an order will hit.
func (c *Console) preview(w http.ResponseWriter, r *http.Request) {
	if a, ok := c.form(w, r); ok {
		c.show(w, r, http.StatusOK, "preview", a.Title, previewed{a, r.PostForm, c.effect(r, a, r.PostForm), rand.Text()})
	}
}

// A given is an order that was given, or why it was not.
type given struct {
	Order   *order
	Refused *problem
}

// give gives an order. Its reason is asked for, except to lift a measure.
func (c *Console) give(w http.ResponseWriter, r *http.Request) {
	a, ok := c.form(w, r)
	if !ok {
		return
	}
	if a.Title != "" && strings.TrimSpace(r.PostForm.Get("note")) == "" {
		c.show(w, r, http.StatusUnprocessableEntity, "given", "Order", given{Refused: &problem{Detail: "Say why: the order is kept with its reason."}})
		return
	}
	var said struct {
		ID      string
		Action  string
		Target  string
		InForce *reach `json:"in_force"`
	}
	err := c.ask(r, http.MethodPost, "/"+a.Call, a.body(r.PostForm), r.PostForm.Get("once"), &said)
	if err != nil {
		p, ok := errors.AsType[*problem](err)
		if !ok {
			p = &problem{Status: http.StatusInternalServerError, Detail: "The order was given, and its answer cannot be read: see the audit."}
		}
		c.show(w, r, p.Status, "given", "Order", given{Refused: p})
		return
	}
	c.show(w, r, http.StatusOK, "given", "Order", given{Order: &order{
		ID: said.ID, At: time.Now(), Action: said.Action, Target: said.Target, Note: r.PostForm.Get("note"), State: "done", InForce: said.InForce,
	}})
}

// export serves the audit trail, one order a line, the newest first.
func (c *Console) export(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	before, sent := "", 0
	for sent < maxExport {
		list, next, err := c.orders(r, before, maxOrders)
		if err != nil && sent == 0 {
			c.show(w, r, http.StatusServiceUnavailable, "given", "Audit", given{Refused: &problem{Detail: "The audit cannot be read right now."}})
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // what is sent is not all: say so by no proper end
		}
		if sent == 0 {
			h.Set("Content-Type", "application/x-ndjson")
			h.Set("Content-Disposition", `attachment; filename="orders.ndjson"`)
		}
		for _, o := range list {
			line, _ := json.Marshal(o) // strings and a time do not fail
			_, _ = w.Write(append(line, '\n'))
		}
		sent += len(list)
		if before = next; before == "" {
			return
		}
	}
}

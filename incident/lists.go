package incident

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
)

// list names the calls that are wired.
func (o *Operator) list(w http.ResponseWriter, _ *http.Request) {
	calls := o.calls()
	var names []string
	for _, path := range slices.Sorted(maps.Keys(calls)) {
		if calls[path].get != nil {
			names = append(names, "GET "+path[1:])
		}
		if calls[path].post != nil {
			names = append(names, "POST "+path[1:])
		}
	}
	write(w, map[string]any{"calls": names})
}

func (o *Operator) sessions(w http.ResponseWriter, r *http.Request) {
	subject := r.URL.Query().Get("subject")
	if subject == "" || len(subject) > maxTarget || !printable(subject) {
		wrongParameter("subject").Write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), o.cfg.Timeout)
	defer cancel()
	list, err := o.cfg.Sessions(ctx, subject)
	if err != nil {
		o.unread(w, r, "sessions", err)
		return
	}
	write(w, map[string]any{"sessions": append([]Session{}, list...)})
}

// keys has API keys listed by a handler that is mounted at "/".
func (o *Operator) keys(w http.ResponseWriter, r *http.Request) {
	below, u := r.WithContext(r.Context()), *r.URL
	u.Path, u.RawPath = "/", ""
	below.URL = &u
	o.cfg.Keys.ServeHTTP(w, below)
}

func (o *Operator) blocks(w http.ResponseWriter, _ *http.Request) {
	type blocked struct {
		Prefix netip.Prefix `json:"prefix"`
		Until  time.Time    `json:"until"`
	}
	list := []blocked{}
	for prefix, until := range o.cfg.Blocks() {
		list = append(list, blocked{prefix, until.UTC()})
	}
	write(w, map[string]any{"blocks": list})
}

func (o *Operator) rates(w http.ResponseWriter, _ *http.Request) {
	write(w, map[string]any{"rates": append([]Rate{}, o.cfg.Rates()...)})
}

// maxLimited is how many keys of a policy are told.
const maxLimited = 10

func (o *Operator) limited(w http.ResponseWriter, _ *http.Request) {
	type policy struct {
		Policy string    `json:"policy"`
		Keys   []Limited `json:"keys"`
	}
	list := []policy{}
	for _, r := range o.cfg.Rates() {
		if keys := o.cfg.Limited(r.Policy, maxLimited); len(keys) > 0 {
			list = append(list, policy{r.Policy, keys})
		}
	}
	write(w, map[string]any{"limited": list})
}

func (o *Operator) lockdown(w http.ResponseWriter, _ *http.Request) { write(w, o.cfg.Lockdown.State()) }

// state tells what this instance knows, and which instances there are.
func (o *Operator) state(w http.ResponseWriter, r *http.Request) {
	members := map[string]any{}
	if o.cfg.State != nil {
		maps.Copy(members, o.cfg.State())
	}
	if o.cfg.Feed != nil {
		members["feed_age"] = o.cfg.Feed.Age().String()
	}
	if o.cfg.Blocks != nil {
		n := 0
		for range o.cfg.Blocks() {
			n++
		}
		members["blocks"] = n
	}
	if o.cfg.Lockdown != nil {
		members["lockdown"] = o.cfg.Lockdown.State().Mode
	}
	if o.cfg.Instances != nil {
		ctx, cancel := context.WithTimeout(r.Context(), reachTime)
		defer cancel()
		if all, err := o.cfg.Instances(ctx); err == nil {
			members["instances"] = shown(all)
		}
	}
	write(w, members)
}

// An instance is a rampart.Instance as an operator sees it.
type instance struct {
	ID      string    `json:"id"`
	Version string    `json:"version,omitempty"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"`
	Seq     int64     `json:"seq"`
	Self    bool      `json:"self,omitempty"`
}

func shown(all []rampart.Instance) []instance {
	list := make([]instance, len(all))
	for i, in := range all {
		list[i] = instance(in)
	}
	return list
}

// Order returns an order of the audit trail, or [ErrNoOrder].
func (o *Operator) Order(ctx context.Context, id string) (Order, error) {
	if o.cfg.Orders == nil {
		return Order{}, ErrNoOrder
	}
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	return o.cfg.Orders.Get(ctx, id)
}

// Orders returns at most limit orders before the one of that ID, the newest first; ""
// begins with the newest of all.
func (o *Operator) Orders(ctx context.Context, before string, limit int) ([]Order, error) {
	if o.cfg.Orders == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	return o.cfg.Orders.List(ctx, before, limit)
}

// isID reports whether s may be the ID of an order: a store need not take any text.
func isID(s string) bool {
	return s == "" || isName(s)
}

// maxOrders is the most orders on a page.
const maxOrders = 100

// orders serves a page of the audit trail.
func (o *Operator) orders(w http.ResponseWriter, r *http.Request) {
	limit := 20
	if s := r.URL.Query().Get("limit"); s != "" {
		var err error
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxOrders {
			wrongParameter("limit").Write(w)
			return
		}
	}
	before := r.URL.Query().Get("before")
	if !isID(before) {
		wrongParameter("before").Write(w)
		return
	}
	list, err := o.Orders(r.Context(), before, limit)
	if err != nil {
		o.unread(w, r, "orders", err)
		return
	}
	page := make([]Order, len(list))
	for i := range list {
		page[i] = told(list[i])
	}
	members := map[string]any{"orders": page}
	if len(list) == limit {
		members["next"] = list[limit-1].ID // for ?before=
	}
	write(w, members)
}

// told leaves out what is for the Store.
func told(order Order) Order {
	order.Mark, order.Once, order.Request = 0, "", ""
	return order
}

// order serves one order, and how far it has come.
func (o *Operator) order(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	order, err := Order{}, ErrNoOrder
	if isID(id) {
		order, err = o.Order(r.Context(), id)
	}
	switch {
	case errors.Is(err, ErrNoOrder):
		notFound().Write(w)
	case err != nil:
		o.unread(w, r, "orders", err)
	default:
		write(w, struct {
			Order
			InForce *Reach `json:"in_force,omitempty"`
		}{told(order), o.reachNow(r.Context(), order)})
	}
}

// unread refuses a list that a backend does not return.
func (o *Operator) unread(w http.ResponseWriter, r *http.Request, what string, err error) {
	o.reporter.Report(r.Context(), rampart.SysBackendUnavailable, "incident "+what, rampart.Text("backend", what), rampart.Text("error", err.Error()))
	unavailable("It cannot be read right now.").Write(w)
}

func wrongParameter(name string) *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: "Invalid input.",
		Errors: []rampart.FieldError{{Parameter: name, Code: "invalid", Detail: "Not a valid value."}},
	}
}

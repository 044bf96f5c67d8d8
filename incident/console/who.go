package console

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// maxWho is how many names a page of Who shows.
const maxWho = 100

// A block is a prefix that is refused.
type block struct {
	Prefix netip.Prefix `json:"prefix"`
	Until  time.Time    `json:"until"`
}

// blocks returns what is blocked; nil if that cannot be told.
func (c *Console) blocks(r *http.Request) []block {
	var body struct{ Blocks []block }
	if c.get(r, "/blocks/", &body) != nil {
		return nil
	}
	return body.Blocks
}

// A rate is what a policy counts by.
type rate struct {
	Policy     string    `json:"policy"`
	Rate       string    `json:"rate"`
	Configured string    `json:"configured"`
	Until      time.Time `json:"until"`
}

func (c *Console) rates(r *http.Request) []rate {
	var body struct{ Rates []rate }
	if c.get(r, "/rates/", &body) != nil {
		return nil
	}
	return body.Rates
}

// who returns those who are refused most, and what is in force against them.
func (c *Console) who(r *http.Request, by string) []Refused {
	list := c.cfg.Recorder.Who(by, maxWho)
	if by != "address" {
		return list
	}
	blocked := c.blocks(r)
	var limited struct {
		Limited []struct {
			Policy string
			Keys   []struct{ Key string }
		}
	}
	_ = c.get(r, "/limited/", &limited) // without it the column says less
	for i := range list {
		one := &list[i]
		addr, err := netip.ParseAddr(one.Name)
		for _, p := range limited.Limited {
			for _, k := range p.Keys {
				if k.Key == one.Name {
					one.State = "limited by " + p.Policy
				}
			}
		}
		for _, b := range blocked {
			if err == nil && b.Prefix.Contains(addr.Unmap()) {
				one.State, one.Prefix = "blocked until "+clock(b.Until), b.Prefix.String()
			}
		}
	}
	return list
}

func byOf(r *http.Request) string {
	by := r.URL.Query().Get("by")
	if !slices.ContainsFunc(kinds[:], func(k kind) bool { return k.name == by }) {
		return kinds[0].name
	}
	return by
}

func (c *Console) whoAPI(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, map[string]any{"by": byOf(r), "instance": c.fleet(r).Self, "since": c.cfg.Recorder.started.UTC(), "who": c.who(r, byOf(r))})
}

// A session is a live session of a subject.
type session struct {
	ID     string    `json:"id"`
	Device string    `json:"device"`
	Began  time.Time `json:"began"`
	Used   time.Time `json:"used"`
	Ends   time.Time `json:"ends"`
}

// An apiKey is a key of a program, without its secret.
type apiKey struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
}

// A one is all that is known of somebody. What could not be read is named in Unread.
type one struct {
	Name     string    `json:"name"`
	By       string    `json:"by"`
	Called   string    `json:"called,omitempty"`
	Sessions []session `json:"sessions"`
	Keys     []apiKey  `json:"keys"`
	Events   []Event   `json:"events"`
	Orders   []order   `json:"orders"`
	Unread   []string  `json:"unread"`
}

// kindOf tells an address from a subject in a look-up.
func kindOf(r *http.Request) string {
	q := r.URL.Query()
	if by := q.Get("by"); by != "" {
		return byOf(r)
	}
	name := q.Get("name")
	if _, err := netip.ParseAddr(name); err == nil {
		return "address"
	}
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		return "origin"
	}
	return "subject"
}

func (c *Console) one(r *http.Request) one {
	name := cut(r.URL.Query().Get("name"))
	o := one{Name: name, By: kindOf(r), Sessions: []session{}, Keys: []apiKey{}, Orders: []order{}, Unread: []string{}}
	o.Events = c.cfg.Recorder.Events(Filter{Who: name}, page)
	if o.By == "subject" && name != "" {
		var sessions struct{ Sessions []session }
		if c.get(r, "/sessions/?subject="+url.QueryEscape(name), &sessions) != nil {
			o.Unread = append(o.Unread, "sessions")
		}
		o.Sessions = append(o.Sessions, sessions.Sessions...)
		if c.get(r, "/keys/?owner="+url.QueryEscape(name), &o.Keys) != nil {
			o.Unread = append(o.Unread, "keys")
		}
		if c.cfg.Names != nil {
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			o.Called = c.cfg.Names(ctx, name)
		}
	}
	all, _, err := c.orders(r, "", maxOrders)
	if err != nil {
		o.Unread = append(o.Unread, "orders")
	}
	for _, order := range all {
		if order.Target == name || order.Target == prefixOf(name) {
			o.Orders = append(o.Orders, order)
		}
	}
	return o
}

// prefixOf writes an address as an order's target has it.
func prefixOf(name string) string {
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return name
	}
	return netip.PrefixFrom(addr, addr.BitLen()).String()
}

func (c *Console) oneAPI(w http.ResponseWriter, r *http.Request) { writeJSON(w, c.one(r)) }

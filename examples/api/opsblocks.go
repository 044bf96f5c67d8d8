package main

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

type block struct {
	Prefix string `json:"prefix" validate:"required,max=64"`
	span
	noted
}

func (o *ops) block(w http.ResponseWriter, r *http.Request, in block) {
	p, ok := parsePrefix(in.Prefix)
	until, err := in.end(time.Now())
	switch {
	case !ok:
		err = fieldProblem("#/prefix", "invalid", "Not an address or prefix.")
	case p.Contains(o.layers.clientIP.Addr(r).Unmap().WithZone("")):
		err = fieldProblem("#/prefix", "own_address", "You would lock yourself out.")
	case err == nil:
		err = o.layers.blocks.Block(r.Context(), p, until)
		switch {
		case errors.Is(err, ipfilter.ErrPrefix):
			err = fieldProblem("#/prefix", "too_wide", "At least /8 of IPv4, /16 of IPv6.")
		case errors.Is(err, ipfilter.ErrFull):
			err = &rampart.Problem{Status: http.StatusConflict, Code: "too_many_blocks", Detail: "Lift some, or block wider prefixes."}
		}
	}
	o.done(w, r, err, in.Note, "block", p.String(), "until", until)
}

type unblock struct {
	Prefix string `json:"prefix" validate:"required,max=64"`
	noted
}

func (o *ops) unblock(w http.ResponseWriter, r *http.Request, in unblock) {
	p, ok := parsePrefix(in.Prefix)
	if !ok {
		o.failed(w, r, fieldProblem("#/prefix", "invalid", "Not an address or prefix."))
		return
	}
	for blocked := range o.layers.blocks.Blocks() {
		if blocked == p {
			o.done(w, r, o.layers.blocks.Unblock(r.Context(), p), in.Note, "unblock", p.String())
			return
		}
	}
	notFound(w)
}

func (o *ops) listBlocks(w http.ResponseWriter, _ *http.Request) {
	type blocked struct {
		Prefix netip.Prefix `json:"prefix"`
		Until  time.Time    `json:"until"`
	}
	list := []blocked{}
	for prefix, until := range o.layers.blocks.Blocks() {
		list = append(list, blocked{prefix, until.UTC()})
	}
	writeJSON(w, http.StatusOK, map[string]any{"blocks": list})
}

type tighten struct {
	Policy string `json:"policy" validate:"required,max=64"`
	Rate   string `json:"rate" validate:"required,max=32"`
	span
	noted
}

func (o *ops) tighten(w http.ResponseWriter, r *http.Request, in tighten) {
	rate, err := throttle.Parse(in.Rate)
	if err != nil {
		o.failed(w, r, fieldProblem("#/rate", "invalid", "Not a rate such as 10/minute."))
		return
	}
	configured, ok := o.layers.policy(in.Policy)
	least := tightest(in.Policy, configured)
	until, err := in.end(time.Now())
	switch {
	case !ok:
		notFound(w)
		return
	case err != nil:
	case perSecond(rate) >= perSecond(configured):
		err = fieldProblem("#/rate", "not_tighter", "The policy has "+configured.String()+".")
	case perSecond(rate) < perSecond(least):
		err = fieldProblem("#/rate", "too_tight", "Operators pass this policy, too: at least "+least.String()+".")
	default:
		err = o.layers.overrides.Tighten(r.Context(), in.Policy, rate, until)
	}
	o.done(w, r, err, in.Note, "tighten", in.Policy, "rate", rate.String(), "until", until)
}

// tightest is the least that a policy may be tightened to: an operator must get
// in, even after a mistyped password, and lift it again. On a server that is
// configured with little it is half of that.
func tightest(policy string, configured throttle.Rate) throttle.Rate {
	var least throttle.Rate
	switch policy {
	case "edge", "user": // each call of an operator counts
		least = throttle.Rate{Count: 1, Period: time.Minute}
	case "login-address", "login-known", "login-strangers": // refused passwords count
		least = throttle.Rate{Count: 2, Period: time.Hour}
	default: // what operators do without may be as little as one likes
		return throttle.Rate{Count: 0, Period: time.Hour}
	}
	half := throttle.Rate{Count: configured.Count, Period: 2 * configured.Period}
	if perSecond(half) < perSecond(least) {
		return half
	}
	return least
}

type loosen struct {
	Policy string `json:"policy" validate:"required,max=64"`
	noted
}

func (o *ops) loosen(w http.ResponseWriter, r *http.Request, in loosen) {
	if _, ok := o.layers.policy(in.Policy); !ok {
		notFound(w)
		return
	}
	o.done(w, r, o.layers.overrides.Release(r.Context(), in.Policy), in.Note, "loosen", in.Policy)
}

func (o *ops) listRates(w http.ResponseWriter, _ *http.Request) {
	type limit struct {
		Policy     string    `json:"policy"`
		Rate       string    `json:"rate"` // what holds now
		Configured string    `json:"configured"`
		Until      time.Time `json:"until,omitzero"` // of a tightened one
	}
	var list []limit
	for _, p := range o.layers.policies {
		l := limit{Policy: p.Name, Rate: p.Rate.String(), Configured: p.Rate.String()}
		if rate, until, ok := o.layers.overrides.Tightened(p.Name); ok {
			l.Rate, l.Until = rate.String(), until.UTC()
		}
		list = append(list, l)
	}
	writeJSON(w, http.StatusOK, map[string]any{"rates": list})
}

// policy returns the configured rate of a policy.
func (l *layers) policy(name string) (throttle.Rate, bool) {
	for _, p := range l.policies {
		if p.Name == name {
			return p.Rate, true
		}
	}
	return throttle.Rate{}, false
}

// newBlocks builds the address filter, which starts empty. While its feed is
// down the blocks that are known hold: refusing everybody would finish what an
// attacker of the feed began.
func newBlocks(clientIP *server.ClientIP, sh *shared, cfg ipfilter.Config) (*ipfilter.Filter, error) {
	cfg.ClientIP, cfg.Feed, cfg.Outage = clientIP.Addr, sh.feed, rampart.FailOpen
	return ipfilter.New(cfg)
}

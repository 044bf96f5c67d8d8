package throttle

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"slices"

	"github.com/ecolaura/rampart"
)

// call is the work space of one decision. It is reused.
type call struct {
	policies []*policy // that apply
	items    []Item    // one for each of policies
	results  []Result
	modes    []mode
	enforced int // how many of them are no shadows

	reason rampart.Denial // "" if the request may pass
	policy string         // that denies
	err    error          // of the store

	compiled   *compiled // that refuses it
	keys       []byte    // that items have
	text       []byte    // of a header field
	fields     []string  // space for values of header fields, each handed out once
	retryAfter string    // of the response, once it is known
}

// maxKeys is how many bytes of keys a call keeps room for: a client chooses how long
// a header is.
const maxKeys = 4 << 10

// reset forgets the request, so that nothing of it outlives it here.
func (q *call) reset() {
	clear(q.policies)
	clear(q.items)
	clear(q.results)
	if cap(q.keys) > maxKeys {
		q.keys = nil
	}
	clear(q.keys[:cap(q.keys)])
	*q = call{
		policies: q.policies[:0], items: q.items[:0], results: q.results[:0], modes: q.modes[:0],
		text: q.text[:0], keys: q.keys[:0], fields: q.fields,
	}
}

// add adds an item that p charges, at its rate or a tighter one.
func (c *compiled) add(q *call, p *policy, key string, rate Rate, cost int) {
	rate = c.overrides.tighten(p, rate)
	q.policies = append(q.policies, p)
	q.items = append(q.items, Item{Policy: p.Name, Key: key, Rate: rate, Algorithm: p.Algorithm, Cost: cost})
	q.results = append(q.results, Result{})
	q.modes = append(q.modes, uncharged)
}

func (q *call) denied() bool { return q.reason != "" }

// deny refuses because of p, unless p is a shadow, which then does not apply.
func (q *call) deny(p *policy, reason rampart.Denial) {
	if !p.Shadow {
		q.reason, q.policy = reason, p.Name
	}
}

// decide charges r, or sets why it is denied.
func (c *compiled) decide(r *http.Request, q *call) {
	for i, p := range c.policies {
		if c.gather(q, p, r); q.denied() {
			return
		}
		if i < c.enforced {
			q.enforced = len(q.items)
		}
	}
	c.charge(r.Context(), q)
}

// gather adds the item that r charges under p, if any.
func (c *compiled) gather(q *call, p *policy, r *http.Request) {
	if p.Match != nil && !p.Match(r) {
		return
	}
	begin := len(q.keys)
	key, applies := p.Key(q.keys[begin:], r)
	if !applies {
		return
	}
	if len(key) == 0 {
		q.deny(p, CallerUnknown)
		return
	}
	rate := p.Rate
	if p.RateFor != nil {
		if own := p.RateFor(r); own != (Rate{}) {
			rate = own
		}
		if !rate.valid(p.Algorithm) {
			q.deny(p, NotConfigured)
			return
		}
	}
	cost := 1
	if p.Cost != nil {
		if cost = p.Cost(r); cost < 0 { // such as a sum that overflowed
			cost = math.MaxInt
		}
	}
	c.add(q, p, "", rate, cost)
	q.keys = append(q.keys, key...) // it stands there already, or in memory of its own
	key = q.keys[begin:]
	if it := &q.items[len(q.items)-1]; c.backend.memory != nil {
		it.policyHash, it.key = p.hash, key // hashed and forgotten
	} else {
		it.Key = string(key)
	}
}

// charge charges what was gathered: first the enforced policies together, then
// each shadow by itself, as none of them may stand in another's way.
func (c *compiled) charge(ctx context.Context, q *call) {
	if c.overrides.blind() {
		q.reason, q.err = StoreUnavailable, errBlind
		return
	}
	if n := q.enforced; n > 0 {
		allowed, mode, err := c.backend.take(ctx, q.items[:n], q.results[:n])
		for i := range n {
			q.modes[i] = mode
			c.reportOverflow(ctx, &q.results[i])
		}
		switch {
		case err != nil:
			q.reason, q.err = StoreUnavailable, err
			return
		case !allowed:
			t := q.tightest()
			q.reason, q.policy = QuotaExceeded, q.policies[t].Name
			q.policies[t].refused.count(&q.items[t])
			return
		}
	}
	for i := q.enforced; i < len(q.items); i++ {
		allowed, mode, err := c.backend.take(ctx, q.items[i:i+1], q.results[i:i+1])
		if err == nil && allowed {
			q.modes[i] = mode
		} else if err == nil {
			q.policies[i].refused.count(&q.items[i])
			c.reporter.Report(ctx, rampart.ExcessRateLimit, q.items[i].Policy+"\x00"+q.foldKeyOf(i),
				slog.String("policy", q.items[i].Policy), slog.Bool("shadow", true))
		}
	}
}

// reportOverflow reports that newcomers share a bucket: the table is too small
// for what comes, or a flood fills it.
func (c *compiled) reportOverflow(ctx context.Context, res *Result) {
	if res.Overflow {
		c.reporter.Report(ctx, rampart.ExcessRateLimit, res.Policy+"\x00overflow",
			slog.String("policy", res.Policy), slog.Bool("table_full", true))
	}
}

// tightest returns the number of the enforced result with the longest wait or,
// if none has to wait, with the least share left.
func (q *call) tightest() int {
	t := 0
	for i := 1; i < q.enforced; i++ {
		a, b := &q.results[i], &q.results[t]
		switch wa, wb := uint64(a.RetryAfter), uint64(b.RetryAfter); { //nolint:gosec // Never becomes the longest
		case wa > wb, wa == wb && float64(a.Remaining)*float64(b.Limit) < float64(b.Remaining)*float64(a.Limit):
			t = i
		}
	}
	return t
}

// outcome returns what callers of Check and Take get.
func (q *call) outcome() (Decision, error) {
	d := Decision{Allowed: !q.denied(), Policy: q.policy}
	if n := q.enforced; n > 0 && q.modes[0] != uncharged {
		d.Results = slices.Clone(q.results[:n])
		d.Overflow = slices.ContainsFunc(d.Results, func(r Result) bool { return r.Overflow })
	}
	if d.Allowed {
		return d, nil
	}
	return d, &DeniedError{Reason: q.reason, Policy: q.policy, Decision: d, Err: q.err}
}

// foldKey is what the events of one caller are folded by.
func (q *call) foldKey() string {
	for i := range q.items {
		if q.items[i].Policy == q.policy {
			return q.foldKeyOf(i)
		}
	}
	return q.policy
}

func (q *call) foldKeyOf(i int) string { return q.items[i].Key + string(q.items[i].key) }

// attrs says in an event why the request was denied. Keys are left out: they
// may be secrets, or what somebody typed for a user name.
func (q *call) attrs() []slog.Attr {
	return []slog.Attr{slog.String("reason", string(q.reason)), slog.String("policy", q.policy)}
}

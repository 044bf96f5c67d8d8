package plugin

import (
	"context"
	"errors"
	"net/http"

	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// Plans count what consumers use of their plans: one meter for a plan, whatever the
// number of its consumers.
type Plans struct {
	meters map[conf.Ref]*meter
	local  throttle.Store // for counts that are not shared: it stays when the plans change
	room   int            // of local, for buckets and for windows
}

// leastRoom is how many counts there is room for at least.
const leastRoom = 1 << 10

// NewPlans returns the plans of f. What old has counted stays, unless local has no
// room for all consumers any more: a larger one begins afresh. The mistakes may be
// notes. old may be nil.
func NewPlans(f *conf.File, old *Plans, e *Env) (*Plans, conf.Mistakes) {
	if old == nil {
		old = &Plans{}
	}
	ps := &Plans{meters: map[conf.Ref]*meter{}, local: old.local, room: old.room}
	consumers := map[conf.Ref]int{}
	for _, c := range f.Consumers {
		consumers[c.Plan]++
	}
	var buckets, windows int
	for _, p := range f.Plans {
		rates, quotas := locally(p, e)
		if p.Window == "calendar" { // what was used before a turn goes only as it would from a sliding one
			quotas *= 2
		}
		buckets += rates * consumers[conf.Ref(p.ID)]
		windows += quotas * consumers[conf.Ref(p.ID)]
	}
	if need := max(buckets, windows); ps.local == nil || need > ps.room {
		ps.room = max(need+need/2, leastRoom)
		ps.local = throttle.NewMemory(ps.room)
	}
	var mistakes conf.Mistakes
	forgets := false
	for _, p := range f.Plans {
		id := conf.Ref(p.ID)
		if _, quotas := locally(p, e); quotas > 0 && !forgets {
			forgets = true // one note for all
			m := p.Mistake("", "without a database (-db, Config.DB) a restart forgets what was used of quotas")
			m.Note = true
			mistakes = append(mistakes, m)
		}
		var err error
		ps.meters[id], err = newMeter(&p.Usage, p.Limits, keyOf(id), ps.local, "", e)
		switch {
		case errors.Is(err, errNoRedis):
			mistakes = append(mistakes, p.Mistake("policy", err.Error()))
		case err != nil:
			mistakes = append(mistakes, p.Mistake("", Reason(err)))
		}
	}
	return ps, mistakes
}

// locally returns how many limits of a plan are counted in this process alone.
func locally(p *conf.Plan, e *Env) (rates, quotas int) {
	if p.Policy != "local" {
		return 0, 0
	}
	all := []*conf.Allowance{&p.Allowance}
	for i := range p.Limits {
		all = append(all, &p.Limits[i].Allowance)
	}
	for _, a := range all {
		if a.Rate != nil {
			rates++
		}
		for _, q := range a.Quotas() {
			if q.Count != nil && e.Kept == nil {
				quotas++
			}
		}
	}
	return rates, quotas
}

// keyOf counts the consumer: another key of his is no other count.
func keyOf(plan conf.Ref) throttle.KeyFunc {
	return func(dst []byte, r *http.Request) ([]byte, bool) {
		return append(append(append(dst, plan...), '/'), call.From(r.Context()).Consumer.ID...), true
	}
}

// Handler counts the requests of consumers that have a plan; nil if no plan is there.
func (ps *Plans) Handler(next http.Handler) http.Handler {
	if len(ps.meters) == 0 {
		return nil
	}
	by := make(map[conf.Ref]http.Handler, len(ps.meters))
	for id, m := range ps.meters {
		by[id] = m.handler(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := next
		if c := call.From(r.Context()).Consumer; c != nil && c.Plan != "" {
			h = by[c.Plan]
		}
		h.ServeHTTP(w, r)
	})
}

// Usage returns what a consumer has used of each limit of his plan; none without one.
func (ps *Plans) Usage(ctx context.Context, c *conf.Consumer) ([]Used, error) {
	if m := ps.meters[c.Plan]; m != nil {
		return m.used(ctx, string(c.Plan)+"/"+c.ID)
	}
	return []Used{}, nil
}

// Reset forgets what a consumer has used of his plan.
func (ps *Plans) Reset(ctx context.Context, c *conf.Consumer) error {
	if m := ps.meters[c.Plan]; m != nil {
		return m.reset(ctx, string(c.Plan)+"/"+c.ID)
	}
	return nil
}

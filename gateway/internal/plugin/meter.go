package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// A meter counts what is used of a plan or of a usage-plan.
type meter struct {
	limiters []*throttle.Limiter // one for each store
	counts   []count
	blocks   []block
	events   *rampart.Reporter
}

// A count is one limit, and where it is counted.
type count struct {
	store throttle.Store
	item  throttle.Item // without a key
}

// A block lets nothing pass.
type block struct {
	name  string
	match func(*http.Request) bool
}

var errNoRedis = errors.New("redis needs -redis, or Config.Redis")

// newMeter makes the meter of u and limits. Rates of a second are counted in local,
// and quotas where they outlive a restart, if there is such a place; policy redis
// counts all in Redis. A prefix stands before the keys in what others share.
func newMeter(u *conf.Usage, limits []conf.PlanLimit, key throttle.KeyFunc, local throttle.Store, prefix string, e *Env) (*meter, error) {
	calendar := u.Window == "calendar"
	rates, quotas := local, local
	switch {
	case u.Policy == "redis" && e.Shared == nil:
		return nil, errNoRedis
	case u.Policy == "redis":
		rates = scope(e.Shared, prefix, calendar)
		quotas = rates
	case e.Kept != nil:
		quotas = scope(e.Kept, prefix, calendar)
	case calendar:
		quotas = scope(local, prefix, true)
	}
	m := &meter{events: e.Events}
	policies := map[throttle.Store][]throttle.Policy{}
	add := func(store throttle.Store, p throttle.Policy) {
		p.Key = key
		if p.Rate.Count == 0 {
			m.blocks = append(m.blocks, block{p.Name, p.Match})
			return
		}
		policies[store] = append(policies[store], p)
		m.counts = append(m.counts, count{store, throttle.Item{Policy: p.Name, Rate: p.Rate, Algorithm: p.Algorithm}})
	}
	bound := func(name string, a *conf.Allowance, match func(*http.Request) bool) {
		if a.Rate != nil {
			add(rates, throttle.Policy{
				Name: name + "rate", Algorithm: throttle.TokenBucket, Match: match,
				Rate: throttle.Rate{Count: *a.Rate, Period: time.Second, Burst: a.Burst},
			})
		}
		for _, q := range a.Quotas() {
			if q.Count == nil {
				continue
			}
			if calendar && q.Days > 7 {
				q.Days = monthDays
			}
			add(quotas, throttle.Policy{
				Name: name + strings.Replace(q.Name, "_", "-", 1), Match: match,
				Rate: throttle.Rate{Count: *q.Count, Period: time.Duration(q.Days) * day},
			})
		}
	}
	bound("", &u.Allowance, nil)
	for i := range limits {
		bound(fmt.Sprintf("limit-%d-", i+1), &limits[i].Allowance, only(&limits[i]))
	}
	for _, store := range slices.Compact([]throttle.Store{rates, quotas}) {
		if len(policies[store]) == 0 {
			continue
		}
		tc := throttle.Config{Policies: policies[store], Store: store, Timeout: time.Second, Outage: rampart.FailClosed, Logger: e.Log}
		if u.FaultTolerant {
			tc.Outage = rampart.FailOpen
		}
		l, err := throttle.New(tc)
		if err != nil {
			return nil, err
		}
		m.limiters = append(m.limiters, l)
	}
	return m, nil
}

// only reports whether a limit is for a request.
func only(l *conf.PlanLimit) func(*http.Request) bool {
	return func(r *http.Request) bool {
		route := call.From(r.Context()).Route
		return (len(l.Methods) == 0 || slices.Contains(l.Methods, r.Method)) &&
			(len(l.Routes) == 0 || route != nil && slices.Contains(l.Routes, conf.Ref(route.ID)))
	}
}

// handler passes to next what may pass.
func (m *meter) handler(next http.Handler) http.Handler {
	for _, l := range slices.Backward(m.limiters) {
		next = l.Handler(next)
	}
	if len(m.blocks) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.ContainsFunc(m.blocks, func(b block) bool { return b.match == nil || b.match(r) }) {
			m.events.Refused(r, rampart.AuthzFail, "", slog.String("reason", "plan"), slog.String("subject", consumerOf(r, call.From(r.Context()))))
			(&rampart.Problem{Status: http.StatusForbidden, Code: "not_in_plan", Detail: "The plan does not include this."}).Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Used is what is used of one limit.
type Used struct {
	Name      string `json:"name"`
	Limit     int    `json:"limit"`
	Used      int    `json:"used"`
	Remaining int    `json:"remaining"`
	Reset     int    `json:"reset"` // in so many seconds
}

// used returns what a key has used.
func (m *meter) used(ctx context.Context, key string) ([]Used, error) {
	all := []Used{}
	for _, c := range m.counts {
		c.item.Key = key
		out := make([]throttle.Result, 1)
		if _, err := c.store.Take(ctx, []throttle.Item{c.item}, out); err != nil {
			return nil, err
		}
		reset := (out[0].ResetAfter + time.Second - 1) / time.Second
		all = append(all, Used{c.item.Policy, out[0].Limit, out[0].Limit - out[0].Remaining, out[0].Remaining, int(reset)})
	}
	for _, b := range m.blocks {
		all = append(all, Used{Name: b.name})
	}
	return all, nil
}

// reset forgets what a key has used.
func (m *meter) reset(ctx context.Context, key string) error {
	var errs []error
	for _, c := range m.counts {
		errs = append(errs, c.store.Reset(ctx, c.item.Policy, key))
	}
	return errors.Join(errs...)
}

package plugin

import (
	"context"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// localKeys is how many callers one of so many limiters counts in this process:
// together some 80 MB at most, or 160 KB for each if there are very many.
func localKeys(limiters int) int { return min(max((1<<19)/max(limiters, 1), 1<<10), 1<<16) }

const day = 24 * time.Hour

// limiter makes a Limiter, with its counts here or shared.
func limiter(p *conf.Plugin, tc throttle.Config, policy string, tolerant bool, e *Env) (*throttle.Limiter, error) {
	tc.Store = throttle.NewMemory(localKeys(e.limiters))
	if policy == "redis" {
		if e.Shared == nil {
			return nil, conf.Mistakes{p.Mistake("config.policy", "redis needs -redis, or Config.Redis")}
		}
		tc.Store = scope(e.Shared, p.ID+"/")
		tc.Timeout = time.Second // Kong waits 2 s; throttleredis stops asking after a row of failures
		if tc.Outage = rampart.FailClosed; tolerant {
			tc.Outage = rampart.FailOpen
		}
	}
	return throttle.New(tc)
}

// scoped is a shared store in which each plugin has counts of its own.
type scoped struct {
	store  throttle.Store
	prefix string
}

// scope returns a scoped store; it reports outages if store does, so that no
// plugin reports the same one again.
func scope(store throttle.Store, prefix string) throttle.Store {
	s := &scoped{store: store, prefix: prefix}
	if _, ok := store.(throttle.OutageReporter); ok {
		return reporting{s}
	}
	return s
}

// reporting is a scoped store that implements throttle.OutageReporter.
type reporting struct{ *scoped }

// ReportsOutages implements throttle.OutageReporter.
func (reporting) ReportsOutages() {}

// Take implements throttle.Store.
func (s *scoped) Take(ctx context.Context, items []throttle.Item, out []throttle.Result) (bool, error) {
	return s.store.Take(ctx, s.mark(items), out)
}

// Give implements throttle.Store.
func (s *scoped) Give(ctx context.Context, items []throttle.Item) error {
	return s.store.Give(ctx, s.mark(items))
}

// Reset implements throttle.Store.
func (s *scoped) Reset(ctx context.Context, policy string, keys ...string) error {
	marked := make([]string, len(keys))
	for i, k := range keys {
		marked[i] = s.prefix + k
	}
	return s.store.Reset(ctx, policy, marked...)
}

// mark puts the prefix before the keys: clients see the policies' names.
func (s *scoped) mark(items []throttle.Item) []throttle.Item {
	marked := make([]throttle.Item, len(items))
	for i, it := range items {
		it.Key = s.prefix + it.Key
		marked[i] = it
	}
	return marked
}

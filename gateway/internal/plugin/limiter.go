package plugin

import (
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
		tc.Store = scope(e.Shared, p.ID+"/", false)
		tc.Timeout = time.Second // Kong waits 2 s; throttleredis stops asking after a row of failures
		if tc.Outage = rampart.FailClosed; tolerant {
			tc.Outage = rampart.FailOpen
		}
	}
	return throttle.New(tc)
}

package plugin

import (
	"net/http"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// UsagePlan is what AWS and Tyk call so: a rate, a burst and quotas for each
// credential. It is not Kong's.
type UsagePlan struct {
	Rate          int    `k:"rate,unset"`  // requests a second
	Burst         int    `k:"burst,unset"` // how many at once; 0: rate
	QuotaDay      int    `k:"quota_day,unset"`
	QuotaMonth    int    `k:"quota_month,unset"`
	Policy        string `k:"policy"`
	FaultTolerant bool   `k:"fault_tolerant"`
}

func newUsagePlan() any { return config(&UsagePlan{Policy: "local", FaultTolerant: true}) }

// Check looks for mistakes.
func (u *UsagePlan) Check(c *conf.Checks, _ *conf.File) {
	c.Within("config.rate", u.Rate, 0, 1<<31-1)
	c.Within("config.burst", u.Burst, 0, 1<<31-1)
	c.Within("config.quota_day", u.QuotaDay, 0, 1<<31-1)
	c.Within("config.quota_month", u.QuotaMonth, 0, 1<<31-1)
	c.Want(u.Rate+u.QuotaDay+u.QuotaMonth > 0, "config", "at least one of rate, quota_day and quota_month is wanted")
	c.Want(u.Burst == 0 || u.Rate > 0, "config.burst", "goes with rate")
	c.Want(u.Policy == "local" || u.Policy == "redis", "config.policy", "must be local or redis")
}

// layer gives each credential a rate with a burst, and quotas.
func (u *UsagePlan) layer(p *conf.Plugin, e *Env) (*Layer, error) {
	byIP := throttle.ByIP(clientAddr)
	key := func(dst []byte, r *http.Request) ([]byte, bool) {
		c := call.From(r.Context())
		switch {
		case c.Credential != "":
			return append(append(dst, "credential:"...), c.Credential...), true
		case c.Consumer != nil:
			return append(append(dst, "consumer:"...), c.Consumer.ID...), true
		}
		return byIP(dst, r)
	}
	var policies []throttle.Policy
	if u.Rate > 0 {
		policies = append(policies, throttle.Policy{
			Name: "rate", Algorithm: throttle.TokenBucket, Key: key,
			Rate: throttle.Rate{Count: u.Rate, Period: time.Second, Burst: u.Burst},
		})
	}
	if u.QuotaDay > 0 {
		policies = append(policies, throttle.Policy{Name: "quota-day", Rate: throttle.Rate{Count: u.QuotaDay, Period: day}, Key: key})
	}
	if u.QuotaMonth > 0 {
		policies = append(policies, throttle.Policy{Name: "quota-month", Rate: throttle.Rate{Count: u.QuotaMonth, Period: 30 * day}, Key: key})
	}
	l, err := limiter(p, throttle.Config{Policies: policies, Logger: e.Log}, u.Policy, u.FaultTolerant, e)
	if err != nil {
		return nil, err
	}
	return &Layer{Handler: l.Handler}, nil
}

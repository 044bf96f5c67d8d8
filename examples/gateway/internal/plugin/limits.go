package plugin

import (
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/examples/gateway/internal/call"
	"github.com/ecolaura/rampart/examples/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// localKeys is how many callers one of so many limiters counts in this process:
// together some 80 MB at most, or 160 KB for each if there are very many.
func localKeys(limiters int) int { return min(max((1<<19)/max(limiters, 1), 1<<10), 1<<16) }

const day = 24 * time.Hour

// rateLimiting is package throttle with Kong's words. A period slides, where
// Kong's begins anew with the clock and so lets twice as much pass around its
// turn. A month has 30 days, a year 365.
func rateLimiting(p *conf.Plugin, cfg *conf.RateLimiting, e *Env) (func(http.Handler) http.Handler, error) {
	var policies []throttle.Policy
	key := limitKey(cfg)
	for _, l := range []struct {
		name   string
		count  int
		period time.Duration
	}{
		{"second", cfg.Second, time.Second},
		{"minute", cfg.Minute, time.Minute},
		{"hour", cfg.Hour, time.Hour},
		{"day", cfg.Day, day},
		{"month", cfg.Month, 30 * day},
		{"year", cfg.Year, 365 * day},
	} {
		if l.count > 0 {
			policies = append(policies, throttle.Policy{Name: l.name, Rate: throttle.Rate{Count: l.count, Period: l.period}, Key: key})
		}
	}
	tc := throttle.Config{Policies: policies, Headers: throttle.Both, Logger: e.Log}
	if cfg.HideClientHeaders {
		tc.Headers = throttle.None
	}
	if cfg.ErrorCode != http.StatusTooManyRequests || cfg.ErrorMessage != "" {
		tc.ErrorHandler = limitError(cfg)
	}
	return limiter(p, tc, cfg.Policy, cfg.FaultTolerant, e)
}

func limitError(cfg *conf.RateLimiting) func(http.ResponseWriter, *http.Request, error) {
	problem := &rampart.Problem{Status: cfg.ErrorCode, Code: "throttled", Detail: cfg.ErrorMessage}
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		if denied, ok := err.(*throttle.DeniedError); ok && denied.Reason != throttle.QuotaExceeded { //nolint:errorlint // as documented
			(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "limits_unavailable"}).Write(w)
			return
		}
		problem.Write(w)
	}
}

// limitKey says who pays. Who cannot be told as asked pays by address, as in
// Kong.
func limitKey(cfg *conf.RateLimiting) throttle.KeyFunc {
	byIP := throttle.ByIP(clientAddr)
	or := func(name string, f func(*http.Request, *call.Call) string) throttle.KeyFunc {
		return func(r *http.Request) (string, bool) {
			if v := f(r, call.From(r.Context())); v != "" {
				return name + ":" + v, true
			}
			return byIP(r)
		}
	}
	switch cfg.LimitBy {
	case "consumer":
		return or("consumer", consumerOf)
	case "credential":
		return or("credential", func(_ *http.Request, c *call.Call) string { return c.Credential })
	case "service":
		return or("service", func(_ *http.Request, c *call.Call) string {
			if c.Service == nil {
				return ""
			}
			return c.Service.ID
		})
	case "header":
		return or("header", func(r *http.Request, _ *call.Call) string { return r.Header.Get(cfg.HeaderName) })
	case "path":
		return or("path", func(_ *http.Request, c *call.Call) string {
			if c.Path == cfg.Path {
				return c.Path
			}
			return ""
		})
	}
	return byIP
}

func consumerOf(_ *http.Request, c *call.Call) string {
	if c.Consumer == nil {
		return ""
	}
	return c.Consumer.ID
}

// usagePlan gives each credential a rate with a burst, and quotas.
func usagePlan(p *conf.Plugin, cfg *conf.UsagePlan, e *Env) (func(http.Handler) http.Handler, error) {
	byIP := throttle.ByIP(clientAddr)
	key := func(r *http.Request) (string, bool) {
		c := call.From(r.Context())
		switch {
		case c.Credential != "":
			return "credential:" + c.Credential, true
		case c.Consumer != nil:
			return "consumer:" + c.Consumer.ID, true
		}
		return byIP(r)
	}
	var policies []throttle.Policy
	if cfg.Rate > 0 {
		policies = append(policies, throttle.Policy{
			Name: "rate", Algorithm: throttle.TokenBucket, Key: key,
			Rate: throttle.Rate{Count: cfg.Rate, Period: time.Second, Burst: cfg.Burst},
		})
	}
	if cfg.QuotaDay > 0 {
		policies = append(policies, throttle.Policy{Name: "quota-day", Rate: throttle.Rate{Count: cfg.QuotaDay, Period: day}, Key: key})
	}
	if cfg.QuotaMonth > 0 {
		policies = append(policies, throttle.Policy{Name: "quota-month", Rate: throttle.Rate{Count: cfg.QuotaMonth, Period: 30 * day}, Key: key})
	}
	return limiter(p, throttle.Config{Policies: policies, Logger: e.Log}, cfg.Policy, cfg.FaultTolerant, e)
}

// limiter makes the layer, with its counts here or shared.
func limiter(p *conf.Plugin, tc throttle.Config, policy string, tolerant bool, e *Env) (func(http.Handler) http.Handler, error) {
	tc.Store = throttle.NewMemory(localKeys(e.limiters))
	if policy == "redis" {
		if e.Shared == nil {
			return nil, conf.Mistakes{p.Mistake("config.policy", "redis needs -redis")}
		}
		tc.Store = scope(e.Shared, p.ID+"/")
		tc.Timeout = time.Second // Kong waits 2 s; throttleredis stops asking after a row of failures
		if tc.Outage = throttle.FailClosed; tolerant {
			tc.Outage = throttle.FailOpen
		}
	}
	l, err := throttle.New(tc)
	if err != nil {
		return nil, err
	}
	return l.Handler, nil
}

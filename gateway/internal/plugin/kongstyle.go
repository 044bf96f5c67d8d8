package plugin

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/throttle"
)

// kongStyle is lim.Handler with the headers of Kong: X-RateLimit-Limit-Second and
// X-RateLimit-Remaining-Second for each period, and RateLimit-Limit, -Remaining and
// -Reset for the tightest. refuse may be nil.
func kongStyle(lim *throttle.Limiter, refuse func(http.ResponseWriter, *http.Request, error), hide bool, events *rampart.Reporter) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			decision, err := lim.Check(r)
			if !hide {
				kongHeaders(w, call.From(r.Context()), decision.Results)
			}
			denied, ok := errors.AsType[*throttle.DeniedError](err)
			if !ok {
				next.ServeHTTP(w, r)
				return
			}
			events.Refused(r, rampart.ExcessRateLimit, "", slog.String("reason", string(denied.Reason)), slog.String("policy", denied.Policy))
			w.Header()["Retry-After"] = []string{strconv.FormatInt(wait(denied), 10)}
			if refuse != nil {
				refuse(w, r, denied)
				return
			}
			denied.Problem().Write(w)
		})
	}
}

// wait returns the seconds after which a refused client may come again.
func wait(denied *throttle.DeniedError) int64 {
	longest := time.Second
	for _, res := range denied.Decision.Results {
		longest = max(longest, res.RetryAfter)
	}
	return seconds(longest)
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func kongHeaders(w http.ResponseWriter, c *call.Call, all []throttle.Result) {
	var tightest *throttle.Result
	for i := range all {
		res := &all[i]
		if res.Unknown {
			continue
		}
		period := strings.ToUpper(res.Policy[:1]) + res.Policy[1:] // as canonical names have it
		c.Own(w, "X-Ratelimit-Limit-"+period, strconv.Itoa(res.Limit))
		c.Own(w, "X-Ratelimit-Remaining-"+period, strconv.Itoa(res.Remaining))
		if tightest == nil || res.Remaining <= tightest.Remaining { // of equals the longer period, which comes later
			tightest = res
		}
	}
	if tightest != nil {
		c.Own(w, "Ratelimit-Limit", strconv.Itoa(tightest.Limit))
		c.Own(w, "Ratelimit-Remaining", strconv.Itoa(tightest.Remaining))
		c.Own(w, "Ratelimit-Reset", strconv.FormatInt(max(1, seconds(tightest.ResetAfter)), 10))
	}
}

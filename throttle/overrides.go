package throttle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/token"
)

// OverridesConfig configures [Overrides].
type OverridesConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Feed carries overrides to every instance; nil: they hold in this process
	// only.
	Feed rampart.Feed

	// Outage says what happens while the feed brings nothing: FailClosed refuses
	// the requests of all Limiters that follow these Overrides (503), FailOpen
	// goes by what is known. Required with a feed.
	Outage rampart.Outage

	// Logger receives an event for a change that is not understood; nil:
	// [slog.Default].
	Logger *slog.Logger
}

// Overrides tighten the rates of policies until a time, on every instance: what
// an incident asks for. Set [Config].Overrides of the Limiters that shall follow.
//
// An override never widens: of it and the policy's own rate (a caller's own rate,
// with RateFor), the one that lets fewer pass in the long run holds. Counts are
// kept for each rate, so everybody starts afresh under the override, and goes on
// after it where the old rate's count was; in a window, all that passes under an
// override is at most its count more.
//
// Overrides are held in memory: a request asks nobody. They are safe for
// concurrent use. Create them with [NewOverrides]; the zero Overrides tighten
// nothing and take no change.
type Overrides struct {
	feed     rampart.Feed
	outage   rampart.Outage
	reporter *rampart.Reporter

	rates atomic.Pointer[map[string]override] // nil: none

	mu       sync.Mutex // held to change the map
	policies map[string]bool
}

type override struct {
	rate  Rate
	until time.Time
}

const (
	overridesTopic = "throttle.overrides"
	maxOverride    = maxPeriod
	maxOverrides   = 1000 // policies that are overridden at a time
)

// ErrInvalidOverride is returned for a rate that is not valid or a time that is
// past or more than 366 days ahead.
var ErrInvalidOverride = errors.New("throttle: not a rate and time of an override")

// NewOverrides returns Overrides that know all that the feed retains, or every
// mistake in cfg, each a [*rampart.ConfigError], joined.
func NewOverrides(cfg OverridesConfig) (*Overrides, error) {
	bad := conferr.For("throttle.OverridesConfig")
	bad.If(cfg.Outage > rampart.FailOpen, "Outage", rampart.ReasonInvalid, cfg.Outage, conferr.WantOutage) // there is nothing to fall back to
	bad.If(cfg.Outage == 0 && cfg.Feed != nil, "Outage", rampart.ReasonMissing, nil, conferr.WantOutage)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	o := &Overrides{feed: cfg.Feed, outage: cfg.Outage, reporter: rampart.NewReporter(cfg.Logger), policies: map[string]bool{}}
	if o.feed != nil {
		o.feed.Subscribe(overridesTopic, o.apply)
	}
	return o, nil
}

// Tighten lets a policy have at most rate until then, here at once and with the
// next poll of its feed on every other instance. A later call takes the place of
// an earlier one. The error is [ErrUnknownPolicy] if no Limiter here has such a
// policy, [ErrInvalidOverride], or the feed's: the override may then hold or
// not, so order it again. Who orders it is the caller's to report.
func (o *Overrides) Tighten(ctx context.Context, policy string, rate Rate, until time.Time) error {
	left := time.Until(until)
	switch {
	case !o.known(policy):
		return ErrUnknownPolicy
	case !rate.inBounds() || left <= 0 || left > maxOverride:
		return ErrInvalidOverride
	}
	return o.order(ctx, policy, override{rate, until})
}

// Release ends the override of a policy before its time.
func (o *Overrides) Release(ctx context.Context, policy string) error {
	if !o.known(policy) {
		return ErrUnknownPolicy
	}
	return o.order(ctx, policy, override{until: time.UnixMicro(0)})
}

// Tightened returns the rate that a policy is tightened to, and until when.
func (o *Overrides) Tightened(policy string) (Rate, time.Time, bool) {
	if all := o.rates.Load(); all != nil {
		if v, ok := (*all)[policy]; ok && time.Now().Before(v.until) {
			return v.rate, v.until, true
		}
	}
	return Rate{}, time.Time{}, false
}

// know remembers the names that a Limiter has.
func (o *Overrides) know(policies []*policy) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range policies {
		if o.policies != nil {
			o.policies[p.Name] = true
		}
	}
}

func (o *Overrides) known(policy string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.policies[policy]
}

// order makes a change known. Changes are text: "policy count period burst until",
// the numbers in nanoseconds, and in microseconds since 1970. Each is kept as long
// as any override can last: one that a feed forgot sooner would bring back the
// longer one that it replaced.
func (o *Overrides) order(ctx context.Context, policy string, v override) error {
	change := fmt.Sprintf("%s %d %d %d %d", policy, v.rate.Count, v.rate.Period, v.rate.Burst, v.until.UnixMicro())
	if o.feed != nil {
		return o.feed.Publish(ctx, overridesTopic, []byte(change), maxOverride)
	}
	o.apply([]byte(change), v.until) //nolint:contextcheck // what others hear from the feed concerns no request
	return nil
}

// apply takes in one change.
func (o *Overrides) apply(data []byte, _ time.Time) {
	policy, v, ok := parseOverride(string(data))
	o.mu.Lock()
	defer o.mu.Unlock()
	next := map[string]override{}
	if all := o.rates.Load(); all != nil {
		next = maps.Clone(*all)
	}
	now := time.Now()
	maps.DeleteFunc(next, func(name string, old override) bool { return name == policy || !now.Before(old.until) })
	if ok && now.Before(v.until) {
		ok = v.rate.inBounds() && len(next) < maxOverrides
		next[policy] = v
	}
	if !ok {
		o.reporter.Report(context.Background(), rampart.SysBackendUnavailable, overridesTopic,
			slog.String("layer", "throttle"), slog.String("backend", "feed"), slog.String("reason", "an override was not understood or found no room"))
		return
	}
	if len(next) == 0 {
		o.rates.Store(nil)
		return
	}
	o.rates.Store(&next)
}

func parseOverride(s string) (policy string, v override, ok bool) {
	fields := strings.Split(s, " ")
	if len(fields) != 5 || !token.Valid(fields[0]) {
		return "", v, false
	}
	var n [4]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(fields[i+1], 10, 64); err != nil {
			return "", v, false
		}
	}
	return fields[0], override{Rate{Count: int(n[0]), Period: time.Duration(n[1]), Burst: int(n[2])}, time.UnixMicro(n[3])}, true
}

// blind reports whether overrides may be missing here and that matters.
func (o *Overrides) blind() bool {
	return o != nil && o.outage == rampart.FailClosed && o.feed != nil && o.feed.Age() > 0
}

// tighten returns what holds for p instead of rate, and whether that is another.
func (o *Overrides) tighten(p *policy, rate Rate) (Rate, bool) {
	if o == nil || o.rates.Load() == nil {
		return rate, false
	}
	r, _, ok := o.Tightened(p.Name)
	if !ok || r.Limit() >= rate.Limit() {
		return rate, false
	}
	if !r.valid(p.Algorithm) {
		r.Burst = 0
	}
	return r, true
}

package throttle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
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
// with RateFor), the one that lets fewer pass in the long run holds, and no more pass at
// once than by the policy's own: 30/100h counts as 10/33h20m where that is 10/hour. Counts are
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
	policies []overridable
}

// overridable is what is known of a policy.
type overridable struct {
	name              string
	configured, least Rate // configured: the zero Rate where each caller has one
}

type override struct {
	rate  Rate
	until time.Time
}

const (
	overridesTopic = "throttle.overrides"
	maxOverride    = maxPeriod
	maxOverrides   = 1000 // policies that are overridden at a time

	// clockMargin is what the clocks of the instances and of the feed's source may
	// differ by, without a change being forgotten that still means something.
	clockMargin = time.Minute
)

// ErrInvalidOverride is returned for a rate that is not valid, not lower than the
// policy's own or lower than its Least, and for a time that is past or more than 366
// days ahead.
var ErrInvalidOverride = errors.New("throttle: not a rate and time of an override")

// A PolicyRate is what a policy counts by.
type PolicyRate struct {
	Policy     string
	Rate       Rate      // what holds now
	Configured Rate      // zero where only RateFor tells
	Until      time.Time // of an override; else zero
}

// NewOverrides returns Overrides that know all that the feed retains, or every
// mistake in cfg, each a [*rampart.ConfigError], joined.
func NewOverrides(cfg OverridesConfig) (*Overrides, error) {
	bad := conferr.For("throttle.OverridesConfig")
	bad.If(cfg.Outage > rampart.FailOpen, "Outage", rampart.ReasonInvalid, cfg.Outage, conferr.WantOutage) // there is nothing to fall back to
	bad.If(cfg.Outage == 0 && cfg.Feed != nil, "Outage", rampart.ReasonMissing, nil, conferr.WantOutage)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	o := &Overrides{feed: cfg.Feed, outage: cfg.Outage, reporter: rampart.NewReporter(cfg.Logger, "throttle"), policies: []overridable{}}
	if o.feed != nil {
		o.feed.Subscribe(overridesTopic, o.apply)
	}
	return o, nil
}

// Tighten lets a policy have at most rate until then, here at once and with the
// next poll of its feed on every other instance. A later call takes the place of
// an earlier one. The error is [ErrUnknownPolicy] if no Limiter here has such a
// policy, [ErrInvalidOverride], or the feed's: the override may then hold or
// not, so order it again. The first two hold a [rampart.Problem] of an operator's
// call, with the members "rate" and "until". Who orders it is the caller's to report.
func (o *Overrides) Tighten(ctx context.Context, policy string, rate Rate, until time.Time) error {
	p, err := o.policy(policy)
	if err != nil {
		return err
	}
	switch left := time.Until(until); {
	case !rate.inBounds():
		return invalidOverride("#/rate", "invalid", "Not a rate such as 10/minute.")
	case left <= 0 || left > maxOverride:
		return invalidOverride("#/until", "invalid", "Not a time in the next 366 days.")
	case p.configured != Rate{} && rate.Limit() >= p.configured.Limit():
		return invalidOverride("#/rate", "not_tighter", "The policy has "+p.configured.String()+".")
	case rate.Limit() < p.least.Limit():
		return invalidOverride("#/rate", "too_tight", "Operators pass this policy, too: at least "+p.least.String()+".")
	}
	return o.order(ctx, policy, override{rate, until})
}

func invalidOverride(pointer, code, detail string) error {
	return fmt.Errorf("%w: %w", ErrInvalidOverride, &rampart.Problem{
		Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: "Invalid input.",
		Errors: []rampart.FieldError{{Pointer: pointer, Code: code, Detail: detail}},
	})
}

// Release ends the override of a policy before its time.
func (o *Overrides) Release(ctx context.Context, policy string) error {
	if _, err := o.policy(policy); err != nil {
		return err
	}
	return o.order(ctx, policy, override{until: time.UnixMicro(0)})
}

// Rates returns what the policies of all Limiters that follow count by, in the order
// in which they were made.
func (o *Overrides) Rates() []PolicyRate {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]PolicyRate, len(o.policies))
	for i, p := range o.policies {
		list[i] = PolicyRate{Policy: p.name, Rate: p.configured, Configured: p.configured}
		if rate, until, ok := o.Tightened(p.name); ok {
			list[i].Rate, list[i].Until = rate, until
		}
	}
	return list
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

// know remembers the policies that a Limiter has.
func (o *Overrides) know(policies []*policy) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range policies {
		if o.policies == nil { // the zero Overrides
			return
		}
		known := overridable{p.Name, p.Rate, p.Least}
		if i := slices.IndexFunc(o.policies, func(q overridable) bool { return q.name == p.Name }); i >= 0 {
			o.policies[i] = known
			continue
		}
		o.policies = append(o.policies, known)
	}
}

// policy returns what is known of a policy.
func (o *Overrides) policy(name string) (overridable, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.policies {
		if p.name == name {
			return p, nil
		}
	}
	return overridable{}, fmt.Errorf("%w: %w", ErrUnknownPolicy, &rampart.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "Not found."})
}

// order makes a change known. Changes are text: "policy count period burst until",
// the numbers in nanoseconds, and in microseconds since 1970. Each is kept for as long
// as it means something, and as long as the override that it replaces: one that a feed
// forgot sooner would bring that back, for an instance that starts later.
func (o *Overrides) order(ctx context.Context, policy string, v override) error {
	change := fmt.Sprintf("%s %d %d %d %d", policy, v.rate.Count, v.rate.Period, v.rate.Burst, v.until.UnixMicro())
	if o.feed != nil {
		_, replaced, _ := o.Tightened(policy)
		return o.feed.Publish(ctx, overridesTopic, []byte(change), max(time.Until(v.until), time.Until(replaced), 0)+clockMargin)
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
			slog.String("backend", "feed"), slog.String("reason", "an override was not understood or found no room"))
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

// tighten returns what holds for p instead of rate.
func (o *Overrides) tighten(p *policy, rate Rate) Rate {
	if o == nil || o.rates.Load() == nil {
		return rate
	}
	r, _, ok := o.Tightened(p.Name)
	if !ok || r.Limit() >= rate.Limit() {
		return rate
	}
	if !r.valid(p.Algorithm) {
		r.Burst = 0
	}
	return r.atOnce(rate.burst())
}

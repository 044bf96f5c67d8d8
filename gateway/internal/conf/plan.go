package conf

import (
	"fmt"
	"slices"
	"strings"
)

// An Allowance is how much may be used: what is nil is not limited, and 0 lets
// nothing pass.
type Allowance struct {
	Rate       *int `k:"rate"`        // requests a second
	Burst      int  `k:"burst,unset"` // how many at once; 0: Rate
	QuotaDay   *int `k:"quota_day"`
	QuotaWeek  *int `k:"quota_week"`
	QuotaMonth *int `k:"quota_month"`
}

// A Quota is one of an Allowance.
type Quota struct {
	Name  string // of its field
	Days  int
	Count *int // nil: there is none
}

// Quotas returns all, whether they are set or not.
func (a *Allowance) Quotas() []Quota {
	return []Quota{{"quota_day", 1, a.QuotaDay}, {"quota_week", 7, a.QuotaWeek}, {"quota_month", 30, a.QuotaMonth}}
}

// set reports whether there is a limit.
func (a *Allowance) set() bool {
	return a.Rate != nil || slices.ContainsFunc(a.Quotas(), func(q Quota) bool { return q.Count != nil })
}

func (a *Allowance) check(c *Checks, at string) {
	for _, q := range append(a.Quotas(), Quota{Name: "rate", Count: a.Rate}) {
		c.Want(q.Count == nil || *q.Count >= 0 && *q.Count <= 1<<31-1, at+q.Name, "must be from 0 (nothing passes) to %d; leave it out for no limit", 1<<31-1)
	}
	c.Within(at+"burst", a.Burst, 0, 1<<31-1)
	c.Want(a.Burst == 0 || a.Rate != nil && *a.Rate > 0, at+"burst", "goes with rate")
}

const wantLimit = "at least one of rate, quota_day, quota_week and quota_month is wanted"

// Usage is what a Plan and the plugin usage-plan have in common.
type Usage struct {
	Allowance     `k:",inline"`
	Window        string `k:"window"` // of the quotas: sliding or calendar
	Policy        string `k:"policy"`
	FaultTolerant bool   `k:"fault_tolerant"`
}

// NewUsage returns a Usage with its defaults.
func NewUsage() Usage { return Usage{Window: "sliding", Policy: "local", FaultTolerant: true} }

// CheckUsage looks for mistakes; at is what stands before the names of its fields.
func (u *Usage) CheckUsage(c *Checks, at string, more bool) {
	u.check(c, at)
	c.Want(u.set() || more, strings.TrimSuffix(at, "."), wantLimit)
	c.OneOf(at+"window", u.Window, "sliding", "calendar")
	c.OneOf(at+"policy", u.Policy, "local", "redis")
}

// A Plan is how much each of its consumers may use.
type Plan struct {
	base   `k:",inline"`
	Name   string `k:"name"`
	Usage  `k:",inline"`
	Limits []PlanLimit `k:"limits"`
}

// A PlanLimit is an Allowance for some of the requests, within that of the Plan.
type PlanLimit struct {
	Routes    []Ref    `k:"routes"`  // none: all
	Methods   []string `k:"methods"` // none: all
	Allowance `k:",inline"`
}

// NewPlan returns a Plan with its defaults.
func NewPlan() *Plan { return &Plan{Usage: NewUsage()} }

func (*Plan) defaults() any          { return NewPlan() }
func (p *Plan) natural() string      { return p.Name }
func (p *Plan) uniques() []uniqueKey { return []uniqueKey{key("name", "", p.Name)} }

// refs owns nothing: without its route a limit would be for all of them.
func (p *Plan) refs() (all []reference) {
	for i := range p.Limits {
		for j := range p.Limits[i].Routes {
			all = append(all, reference{field: fmt.Sprintf("limits[%d].routes[%d]", i, j), kind: "routes", ref: &p.Limits[i].Routes[j]})
		}
	}
	return all
}

func (p *Plan) check(*File) Mistakes {
	c := Checks{m: p.at()}
	c.Want(name(p.Name) && !LooksLikeID(p.Name), "name", "letters, digits and -._~ are wanted, and no UUID: %q", p.Name)
	p.CheckUsage(&c, "", len(p.Limits) > 0)
	for i := range p.Limits {
		l, at := &p.Limits[i], fmt.Sprintf("limits[%d]", i)
		l.check(&c, at+".")
		c.Want(l.set(), at, wantLimit)
		c.Want(len(l.Routes)+len(l.Methods) > 0, at, "routes or methods are wanted: what is for all requests stands in the plan itself")
		c.Each(at+".methods", l.Methods, func(s string) bool { return Token(s) && s == strings.ToUpper(s) }, "a method in upper case")
	}
	return c.ms
}

// PlanName returns the name of a consumer's plan; nil if he has none.
func (f *File) PlanName(c *Consumer) any {
	if p, ok := f.by("plans", "id", "", string(c.Plan)).(*Plan); ok {
		return p.Name
	}
	return nil
}

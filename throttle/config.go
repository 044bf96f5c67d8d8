package throttle

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/token"
)

// Headers says which fields tell clients about their limits.
type Headers uint8

// The header styles.
const (
	Draft  Headers = iota // RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)
	Legacy                // X-RateLimit-Limit, -Remaining and -Reset (seconds from now), of the tightest policy
	Both
	None // only Retry-After on refusals
)

// A Config configures a [Limiter]. Policies is required.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Policies that a request must all meet. It is charged by all or by none.
	Policies []Policy

	// Store keeps the counts; nil: NewMemory(0).
	Store Store

	// Timeout is how long a request waits for the Store at most; 0: a second. A Store
	// may find sooner that it fails, as that of throttleredis does. A Memory needs none.
	Timeout time.Duration

	// Outage says what happens while the Store fails. FailClosed refuses: 503 with
	// Retry-After. FailOpen lets pass without a limit: anyone who can bring the store
	// down is rid of it. FallBack counts in this process, which lets its share pass,
	// by Instances or Replicas. A Store that works and that this process is too busy to ask in time
	// ([ErrBusy]) does not fail: the request is refused as by FailClosed. Required
	// with a Store that is not a Memory.
	Outage rampart.Outage

	// Replicas is how many processes share the Store; required by FallBack without
	// Instances.
	Replicas int

	// Instances, if not nil, tells how many processes share the rates wherever each
	// counts by itself: during FallBack, in place of Replicas, and always with a
	// Memory. 0 or less stands for 1. The method Live of a feed.Feed fits. It is
	// called in requests, so it must be quick, and from several goroutines.
	//
	// Where there are n, a request costs n times as much: no bucket starts afresh when
	// their number changes, and what has passed stays charged as it was. Only where a
	// bucket holds less than n, one request passes in a period that is longer by as
	// much, and a changed number may start a new one. Clients are told the whole limit,
	// and what this process would still let pass of it. Without Instances each process
	// with a Memory lets the whole rate pass.
	Instances func() int

	// Overrides tighten policies for a while, on every instance; nil: none.
	Overrides *Overrides

	// Headers that responses carry; the zero value is Draft.
	Headers Headers

	// ErrorHandler responds to a refused request; err is a [*DeniedError]. Limit
	// headers and Retry-After are set by then. If nil, the response is a
	// rampart.Problem: 429, code "throttled", with a "violated-policies" list;
	// 403, code "caller_unknown"; or 503, code "limits_unavailable".
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the security events; nil: [slog.Default].
	Logger *slog.Logger
}

const (
	defaultTimeout = time.Second
	maxNameLength  = 64
)

func (c *Config) validate() error {
	bad := conferr.For("throttle.Config")
	bad.If(len(c.Policies) == 0, "Policies", rampart.ReasonMissing, nil, "add a Policy with Name, Rate and Key, or use PerIP")
	seen := make(map[string]bool)
	for i := range c.Policies {
		p := &c.Policies[i]
		at := fmt.Sprintf("Policies[%d].", i)
		p.validate(at, bad)
		bad.If(p.Name != "" && seen[p.Name], at+"Name", rampart.ReasonDuplicate, p.Name, "give each policy a name of its own: they share the Store")
		seen[p.Name] = true
	}
	bad.If(c.Timeout < 0, "Timeout", rampart.ReasonInvalid, c.Timeout, "use more than 0; 0 means 1s")
	const wantOutage = "choose rampart.FailClosed, FailOpen, or FallBack with Instances or Replicas"
	bad.If(c.Outage > rampart.FallBack, "Outage", rampart.ReasonInvalid, c.Outage, wantOutage)
	bad.If(c.Outage == 0 && isRemote(c.Store), "Outage", rampart.ReasonMissing, nil, wantOutage)
	const wantReplicas = "say how many processes share the Store, 1 or more; FallBack divides the rates by it"
	bad.If(c.Replicas < 0, "Replicas", rampart.ReasonInvalid, c.Replicas, wantReplicas)
	bad.If(c.Replicas == 0 && c.Instances == nil && c.Outage == rampart.FallBack, "Replicas", rampart.ReasonMissing, nil, wantReplicas)
	bad.If(c.Headers > None, "Headers", rampart.ReasonInvalid, c.Headers, "use Draft, Legacy, Both or None")
	m, local := c.Store.(*Memory)
	bad.If(local && (m == nil || len(m.shards) == 0), "Store", rampart.ReasonInvalid, nil, "create the Memory with NewMemory, or leave Store nil")
	return bad.Err()
}

func (p *Policy) validate(at string, bad *conferr.Mistakes) {
	checkName(bad, at+"Name", p.Name)
	switch {
	case int(p.Algorithm) >= len(algorithms):
		bad.Add(at+"Algorithm", rampart.ReasonInvalid, uint8(p.Algorithm), "use SlidingWindow or TokenBucket")
	case p.Rate == Rate{} && p.RateFor == nil:
		bad.Add(at+"Rate", rampart.ReasonMissing, nil, "set Rate, such as that of Parse(\"100/hour\"), or RateFor")
	case p.Rate != Rate{} && !p.Rate.inBounds():
		bad.Add(at+"Rate", rampart.ReasonInvalid, p.Rate, "use a Count and Burst up to 2147483647 and a Period up to 366 days; an empty bucket refills within 10 years")
	case p.Rate != Rate{} && !p.Rate.valid(p.Algorithm):
		bad.Add(at+"Rate", rampart.ReasonInvalid, p.Rate, "only a TokenBucket has a burst; use that Algorithm, or leave Burst 0")
	}
	bad.If(p.Least != Rate{} && (!p.Least.inBounds() || p.Rate != Rate{} && p.Least.Limit() > p.Rate.Limit()), at+"Least", rampart.ReasonInvalid, p.Least, "use a rate up to that of the policy")
	bad.If(p.Key == nil, at+"Key", rampart.ReasonMissing, nil, "say who is counted, such as ByIP(clientIP.Addr) with a server.ClientIP")
}

func checkName(bad *conferr.Mistakes, field, name string) {
	want := fmt.Sprintf(`a name is one word of at most %d bytes, such as "login"`, maxNameLength)
	bad.If(name == "", field, rampart.ReasonMissing, nil, want)
	bad.If(name != "" && (!token.Valid(name) || len(name) > maxNameLength), field, rampart.ReasonInvalid, name, want)
}

// isRemote reports whether calls of s can fail.
func isRemote(s Store) bool {
	_, local := s.(*Memory)
	return s != nil && !local
}

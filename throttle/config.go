package throttle

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
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

	// Timeout for a call of the Store; 0: 100 ms. A Memory needs none.
	Timeout time.Duration

	// Outage says what happens while the Store fails. FailClosed refuses: 503 with
	// Retry-After. FailOpen lets pass without a limit: whoever can bring the store
	// down is rid of it. FallBack counts in this process, by the rate divided by
	// Replicas. Required with a Store that is not a Memory.
	Outage rampart.Outage

	// Replicas is how many processes share the Store; required by FallBack.
	Replicas int

	// Overrides tighten policies for a while, on every instance; nil: none.
	Overrides *Overrides

	// Headers that answers carry; the zero value is Draft.
	Headers Headers

	// ErrorHandler answers a refused request; err is a [*DeniedError]. Limit
	// headers and Retry-After are set by then. If nil, the answer is a
	// rampart.Problem: 429, code "throttled", with a "violated-policies" list;
	// 403, code "caller_unknown"; or 503, code "limits_unavailable".
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the security events; nil: [slog.Default].
	Logger *slog.Logger
}

// Reasons of a [*rampart.ConfigError] of this package.
const (
	ReasonMissing   = "missing"   // a required field is empty
	ReasonInvalid   = "invalid"   // a value that the field cannot take
	ReasonDuplicate = "duplicate" // the name of another policy
)

const (
	defaultTimeout = 100 * time.Millisecond
	maxNameLength  = 64
)

func (c *Config) validate() error {
	var errs []error
	mistake := func(field, reason, value string) {
		errs = append(errs, &rampart.ConfigError{Package: "throttle", Field: field, Reason: reason, Value: value})
	}
	if len(c.Policies) == 0 {
		mistake("Policies", ReasonMissing, "")
	}
	seen := make(map[string]bool)
	for i := range c.Policies {
		p := &c.Policies[i]
		p.validate(fmt.Sprintf("Policies[%d].", i), mistake)
		if p.Name != "" && seen[p.Name] {
			mistake(fmt.Sprintf("Policies[%d].Name", i), ReasonDuplicate, p.Name)
		}
		seen[p.Name] = true
	}
	if c.Timeout < 0 {
		mistake("Timeout", ReasonInvalid, c.Timeout.String())
	}
	switch {
	case c.Outage > rampart.FallBack:
		mistake("Outage", ReasonInvalid, "")
	case c.Outage == 0 && isRemote(c.Store):
		mistake("Outage", ReasonMissing, "")
	}
	switch {
	case c.Replicas < 0:
		mistake("Replicas", ReasonInvalid, "")
	case c.Replicas == 0 && c.Outage == rampart.FallBack:
		mistake("Replicas", ReasonMissing, "")
	}
	if c.Headers > None {
		mistake("Headers", ReasonInvalid, "")
	}
	if m, ok := c.Store.(*Memory); ok && (m == nil || len(m.shards) == 0) {
		mistake("Store", ReasonInvalid, "")
	}
	return errors.Join(errs...)
}

func (p *Policy) validate(field string, mistake func(field, reason, value string)) {
	switch {
	case p.Name == "":
		mistake(field+"Name", ReasonMissing, "")
	case !token.Valid(p.Name) || len(p.Name) > maxNameLength:
		mistake(field+"Name", ReasonInvalid, p.Name)
	}
	switch {
	case int(p.Algorithm) >= len(algorithms):
		mistake(field+"Algorithm", ReasonInvalid, "")
	case p.Rate == Rate{} && p.RateFor == nil:
		mistake(field+"Rate", ReasonMissing, "")
	case p.Rate != Rate{} && !p.Rate.valid(p.Algorithm):
		mistake(field+"Rate", ReasonInvalid, p.Rate.String())
	}
	if p.Key == nil {
		mistake(field+"Key", ReasonMissing, "")
	}
}

// isRemote says whether calls of s can fail.
func isRemote(s Store) bool {
	_, local := s.(*Memory)
	return s != nil && !local
}

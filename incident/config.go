package incident

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A Config wires an [Operator] to a service. Every measure is a function; one that is nil
// has no endpoint. They are called concurrently. If one returns an error, the response is
// 503: the order may or may not be in force. If the error is a [rampart.Refusal] of status
// 400, 404, 409 or 422, nothing was done, and that is the response.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// EndSession ends one session and returns 1, or 0 for one that nobody knows.
	EndSession func(ctx context.Context, id string) (int, error)
	// EndSubject ends the sessions of a subject and returns how many that were.
	EndSubject func(ctx context.Context, subject string) (int, error)
	// EndAll ends all sessions that began at or before that time; zero: now.
	EndAll func(ctx context.Context, before time.Time) error
	// Sessions returns the live sessions of a subject, the newest first.
	Sessions func(ctx context.Context, subject string) ([]Session, error)

	// RevokeKey revokes an API key and returns 1, or 0 for one that nobody knows.
	RevokeKey func(ctx context.Context, id string) (int, error)
	// RevokeOwner revokes the API keys of an owner and returns how many that were.
	RevokeOwner func(ctx context.Context, owner string) (int, error)
	// Keys lists API keys: it gets the requests of GET /keys/, as GET /.
	Keys http.Handler

	// Block refuses requests from a prefix, Unblock lifts that, and Blocks yields what
	// is blocked, and until when. Unblock needs Blocks.
	Block   func(ctx context.Context, prefix netip.Prefix, until time.Time) error
	Unblock func(ctx context.Context, prefix netip.Prefix) error
	Blocks  func() iter.Seq2[netip.Prefix, time.Time]

	// Tighten makes a policy count by a lower rate, such as "10/minute", Loosen lifts
	// that, and Rates returns all policies. Tighten and Loosen need Rates.
	Tighten func(ctx context.Context, policy, rate string, until time.Time) error
	Loosen  func(ctx context.Context, policy string) error
	Rates   func() []Rate
	// Limited returns the keys that this instance refuses most under a policy now, at
	// most n. It needs Rates.
	Limited func(policy string, n int) []Limited

	// RotateSigningKey makes a new signing key and returns its ID. What older ones
	// signed is good for overlap longer; 0: a key has leaked, and it ends at once.
	RotateSigningKey func(ctx context.Context, overlap time.Duration) (id string, err error)
	// RotateFieldKey makes a new key for encrypted columns and returns its ID.
	RotateFieldKey func(ctx context.Context) (id string, err error)

	// Lockdown is the layer that locks the service.
	Lockdown *Lockdown

	// State adds members to what GET /state/ shows of this instance.
	State func() map[string]any
	// Metrics serves GET /metrics/.
	Metrics http.Handler

	// Feed carries the orders of the layers to other instances, and Instances is how
	// far each has come: set both to a feed.Feed and its method. nil: one instance.
	Feed      rampart.Feed
	Instances func(ctx context.Context) ([]rampart.Instance, error)

	// Orders keeps the audit trail. nil: the newest 1000 in the memory of this process.
	Orders Store

	// Scope is what a caller needs for [Operator.Handler]. "": "ops".
	Scope string
	// ClientIP tells from where an operator calls: their own address cannot be blocked.
	// nil: what a client address layer has resolved, else the TCP peer.
	ClientIP func(r *http.Request) netip.Addr
	// Timeout bounds a measure. Rotations get ten seconds more, as they wait for all
	// instances. 0: 2 s; 30 s at most.
	Timeout time.Duration
	// Logger receives the events. nil: slog.Default().
	Logger *slog.Logger
}

// A Session is a log-in, as an operator sees it.
type Session struct {
	ID     string    `json:"id"`               // what EndSession takes
	Device string    `json:"device,omitempty"` // what the client called itself: untrusted
	Began  time.Time `json:"began"`            // when the user logged in
	Used   time.Time `json:"used"`             // when its tokens were last renewed
	Ends   time.Time `json:"ends"`             // unless it is renewed, or for good
}

// A Rate is what a limit's policy counts by.
type Rate struct {
	Policy     string    `json:"policy"`         // its name
	Rate       string    `json:"rate"`           // what holds now
	Configured string    `json:"configured"`     // what holds without an order; "" where each caller has a rate
	Until      time.Time `json:"until,omitzero"` // of a tightened one
}

// Limited is a key that a limit refuses.
type Limited struct {
	Key   string    `json:"key"`   // an address, a caller's Key: whom the policy counts
	Count int       `json:"count"` // of refused requests, lately
	Last  time.Time `json:"last"`  // when the last one was
}

const (
	defaultScope   = "ops"
	defaultTimeout = 2 * time.Second
	maxTimeout     = 30 * time.Second // an order ends long before it counts as Abandoned
)

func (c Config) withDefaults() Config {
	if c.Scope == "" {
		c.Scope = defaultScope
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Orders == nil {
		c.Orders = NewMemoryStore(0)
	}
	if c.ClientIP == nil {
		c.ClientIP = clientAddr
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// validate returns every mistake in c, whose defaults are set.
func (c Config) validate() error {
	bad := conferr.For("incident.Config")
	bad.If(c.Unblock != nil && c.Blocks == nil, "Blocks", rampart.ReasonMissing, nil, "give what lists the blocks, such as the method Blocks of an ipfilter.Filter")
	bad.If(c.Rates == nil && (c.Tighten != nil || c.Loosen != nil || c.Limited != nil), "Rates", rampart.ReasonMissing, nil, "give what lists the policies, so that an unknown one is told")
	bad.If(c.Timeout < 0 || c.Timeout > maxTimeout, "Timeout", rampart.ReasonInvalid, c.Timeout, "use up to 30s; 0 means 2s")
	bad.If(c.Instances == nil && c.Feed != nil, "Instances", rampart.ReasonMissing, nil, "give the method Instances of the feed, so that a response tells which instances follow")
	return bad.Err()
}

// clientAddr is where r comes from.
func clientAddr(r *http.Request) netip.Addr {
	if addr, ok := rampart.ClientAddrFrom(r.Context()); ok {
		return addr
	}
	return rampart.PeerAddr(r)
}

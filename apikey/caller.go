package apikey

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
)

// A Caller is who a request comes from: the bearer of a valid key. It is
// immutable, since requests may share one.
type Caller struct {
	key   *Key
	scope string // the scopes, separated by spaces
}

func newCaller(k *Key) *Caller { return &Caller{k, strings.Join(k.Scopes, " ")} }

// ID returns the id of the key.
func (c *Caller) ID() string { return c.key.ID }

// Name returns what its owner calls the key.
func (c *Caller) Name() string { return c.key.Name }

// Owner returns whose key it is.
func (c *Caller) Owner() string { return c.key.Owner }

// Plan returns the key's plan, if any.
func (c *Caller) Plan() string { return c.key.Plan }

// Expires returns when the key expires; the zero time means never.
func (c *Caller) Expires() time.Time { return c.key.Expires }

// HasScope reports whether the key has the scope s. No key has the scope "".
func (c *Caller) HasScope(s string) bool { return s != "" && slices.Contains(c.key.Scopes, s) }

// Scopes iterates over the scopes of the key.
func (c *Caller) Scopes() iter.Seq[string] { return slices.Values(c.key.Scopes) }

// Meta returns what the application keeps with the key under name.
func (c *Caller) Meta(name string) (string, bool) {
	v, ok := c.key.Meta[name]
	return v, ok
}

// Caller returns what c is to limits, scopes and logs.
func (c *Caller) Caller() rampart.Caller {
	return rampart.Caller{Kind: rampart.KindKey, Subject: c.key.Owner, Scope: c.scope, ID: c.key.ID}
}

type callerKey struct{}

// FromContext returns the caller whom [Keys.Handler] or [Keys.Optional] found;
// false if neither is around, or the request came without a key.
func FromContext(ctx context.Context) (*Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(*Caller)
	return c, ok
}

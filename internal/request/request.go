// Package request holds what one layer learns about a request and others read:
// the values that travel inwards in its context.
package request

import (
	"context"
	"net/netip"
)

// A TraceParent is documented where users see it: rampart.TraceParent.
type TraceParent struct {
	TraceID  string // 32 lower-case hex digits, not all zero
	ParentID string // 16 lower-case hex digits, not all zero
	Sampled  bool   // the caller may have recorded its part
}

// A Correlation ties the records of one request together.
type Correlation struct {
	ID    string
	Trace TraceParent // zero: none
}

type correlationKey struct{}

// WithCorrelation returns a context that carries c, which must not change after.
func WithCorrelation(ctx context.Context, c *Correlation) context.Context {
	return context.WithValue(ctx, correlationKey{}, c)
}

// CorrelationFrom returns what [WithCorrelation] put into ctx; nil if nothing did.
func CorrelationFrom(ctx context.Context) *Correlation {
	c, _ := ctx.Value(correlationKey{}).(*Correlation)
	return c
}

// A Client is the address of a request's client, and the layer that resolved it.
type Client struct {
	By   any // a pointer to the layer
	Addr netip.Addr
}

type clientKey struct{}

// WithClient returns a context that carries c.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientFrom returns what [WithClient] put into ctx; false if nothing did.
func ClientFrom(ctx context.Context) (Client, bool) {
	c, ok := ctx.Value(clientKey{}).(Client)
	return c, ok
}

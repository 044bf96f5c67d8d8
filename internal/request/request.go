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

// CorrelationKey is the key of a *[Correlation] in a context.
type CorrelationKey struct{}

// CorrelationFrom returns the Correlation of ctx, or nil.
func CorrelationFrom(ctx context.Context) *Correlation {
	c, _ := ctx.Value(CorrelationKey{}).(*Correlation)
	return c
}

// An Address is that of a request's client, and the layer that resolved it.
type Address struct {
	By   any // a pointer to the layer
	Addr netip.Addr
}

// AddressKey is the key of an *[Address] in a context.
type AddressKey struct{}

// AddressFrom returns the Address of ctx, or nil.
func AddressFrom(ctx context.Context) *Address {
	a, _ := ctx.Value(AddressKey{}).(*Address)
	return a
}

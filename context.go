package rampart

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart/internal/request"
)

// A TraceParent is what a traceparent header says (W3C Trace Context, section
// 3.2): which trace a request belongs to, and which span of the caller's sent it.
type TraceParent = request.TraceParent

// TraceParentFrom returns the trace that the request of ctx belongs to; false if
// no request id layer (package server) is around, or no trusted peer named one.
// None is made up: a trace id that nothing else knows finds nothing.
func TraceParentFrom(ctx context.Context) (TraceParent, bool) {
	c := request.CorrelationFrom(ctx)
	if c == nil || c.Trace.TraceID == "" {
		return TraceParent{}, false
	}
	return c.Trace, true
}

// RequestIDFrom returns the id of the request that ctx belongs to; false if no
// request id layer (package server) is around.
func RequestIDFrom(ctx context.Context) (string, bool) {
	if c := request.CorrelationFrom(ctx); c != nil {
		return c.ID, true
	}
	return "", false
}

// ClientAddrFrom returns the address that a client address layer (package
// server) resolved; false if there is no such layer around. The zero Addr means
// that the client cannot be told.
func ClientAddrFrom(ctx context.Context) (netip.Addr, bool) {
	if a := request.AddressFrom(ctx); a != nil {
		return a.Addr, true
	}
	return netip.Addr{}, false
}

// PeerAddr returns the address of r's TCP peer, IPv4 unmapped and without a
// zone; the zero Addr if it has none (a Unix socket).
func PeerAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

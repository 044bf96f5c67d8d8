package rampart

import (
	"net/http"
	"slices"
)

// Chain joins layers into one; the first is the outermost and sees a request
// first. A nil layer is left out. With no layer it returns its handler as it is.
//
//	h := rampart.Chain(requestID.Handler, headers.Handler, cors.Handler)(mux)
func Chain(layers ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		for _, layer := range slices.Backward(layers) {
			if layer != nil {
				h = layer(h)
			}
		}
		return h
	}
}

// A Stack is layers in the order in which they belong around each other, the
// first outermost. Fields that are nil are skipped; a zero Stack passes requests
// through. Two of them make a service: one around the mux, one around each route.
//
//	outside := rampart.Stack{Headers: browser.Handler, CORS: share.Handler, Edge: flood.Handler}
//	members := rampart.Stack{Credential: verifier.Handler, Limit: limit.Handler, Guard: guard.Handler}
//	mux.Handle("GET /api/orders/{$}", members.Handler(orders))
//	http.Handle("/", outside.Handler(mux))
type Stack struct {
	_ [0]func() // no comparison, no unkeyed literals

	RequestID func(http.Handler) http.Handler // every event and every answer has it
	ClientIP  func(http.Handler) http.Handler // what is inside asks for the client's address
	Headers   func(http.Handler) http.Handler // refusals too carry the browser's protections; hosts and https
	Probe     func(http.Handler) http.Handler // health checks, before any limit
	CORS      func(http.Handler) http.Handler // an allowed origin's script can read the refusals inside
	Block     func(http.Handler) http.Handler // addresses that are not served
	Lockdown  func(http.Handler) http.Handler // what is closed for now
	Edge      func(http.Handler) http.Handler // a limit by address, before any cryptography

	Credential func(http.Handler) http.Handler // who calls
	Limit      func(http.Handler) http.Handler // how often this caller may
	Guard      func(http.Handler) http.Handler // with what body
}

// Handler puts the layers around next.
func (s Stack) Handler(next http.Handler) http.Handler {
	return Chain(s.RequestID, s.ClientIP, s.Headers, s.Probe, s.CORS, s.Block, s.Lockdown, s.Edge, s.Credential, s.Limit, s.Guard)(next)
}

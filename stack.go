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

	RequestID func(http.Handler) http.Handler // gives each request an id, for events and responses
	ClientIP  func(http.Handler) http.Handler // resolves the client's address for the layers inside
	Headers   func(http.Handler) http.Handler // checks host and https; refusals carry the browser's protections too
	Probe     func(http.Handler) http.Handler // responds to health checks, before any limit
	CORS      func(http.Handler) http.Handler // lets an allowed origin's script read the refusals inside
	Block     func(http.Handler) http.Handler // refuses addresses
	Lockdown  func(http.Handler) http.Handler // closes the service for now
	Edge      func(http.Handler) http.Handler // limits the requests of each address, before any cryptography

	Credential func(http.Handler) http.Handler // authenticates the caller
	Limit      func(http.Handler) http.Handler // limits the requests of each caller
	Guard      func(http.Handler) http.Handler // checks the request body
}

// Handler puts the layers around next.
func (s Stack) Handler(next http.Handler) http.Handler {
	return Chain(s.RequestID, s.ClientIP, s.Headers, s.Probe, s.CORS, s.Block, s.Lockdown, s.Edge, s.Credential, s.Limit, s.Guard)(next)
}

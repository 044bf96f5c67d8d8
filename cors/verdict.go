package cors

import (
	"fmt"
	"net/http"

	"github.com/ecolaura/rampart"
)

// A Kind says what a request is to the CORS protocol.
type Kind uint8

// The kinds of requests.
const (
	// NotCORS has no Origin line.
	NotCORS Kind = iota
	// SameOrigin has one, but of this server itself: browsers put it on a
	// page's own POSTs too. It is asked only of an origin that is not listed,
	// and answered by Sec-Fetch-Site or, where that is absent, by Host.
	SameOrigin
	// Preflight is OPTIONS with Origin and a non-empty
	// Access-Control-Request-Method. Any other OPTIONS is an Actual one.
	Preflight
	// Actual is every other request with an Origin.
	Actual
)

// String returns the kind's name in log records.
func (k Kind) String() string {
	switch k {
	case NotCORS:
		return "not_cors"
	case SameOrigin:
		return "same_origin"
	case Preflight:
		return "preflight"
	case Actual:
		return "actual"
	default:
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
}

// A Verdict is what the policy says of one request.
type Verdict struct {
	Kind    Kind
	Origin  string // as sent, if it is a well-formed origin; else empty
	Allowed bool   // the origin may read the response, or go on after its preflight
}

// Reasons of a [*DeniedError].
const (
	OriginNotAllowed         rampart.Denial = "origin_not_allowed"          // not listed
	OriginUndecided          rampart.Denial = "origin_undecided"            // OriginFunc has failed
	OriginMalformed          rampart.Denial = "origin_malformed"            // nothing that a browser sends, or more than one line
	MethodNotAllowed         rampart.Denial = "method_not_allowed"          // allowed origin, preflight for another method
	HeaderNotAllowed         rampart.Denial = "header_not_allowed"          // allowed origin, preflight for another header
	HeaderListMalformed      rampart.Denial = "header_list_malformed"       // allowed origin, no list that a browser sends
	PrivateNetworkNotAllowed rampart.Denial = "private_network_not_allowed" // allowed origin, PrivateNetwork unset
)

// A DeniedError is a request that the policy does not cover. What it holds was
// chosen by the client.
type DeniedError struct {
	Reason rampart.Denial // one of the constants above
	Origin string         // well-formed, or empty
	Value  string         // what is not allowed: the origin line, method or header; at most 256 bytes
	Err    error          // of OriginUndecided: what went wrong; else nil
}

// Unwrap returns Err.
func (e *DeniedError) Unwrap() error { return e.Err }

// Denial implements [rampart.Refusal].
func (e *DeniedError) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal]. It says no more than that: what would
// help a script to guess the policy goes to the log.
func (e *DeniedError) Problem() *rampart.Problem {
	if e.Reason == OriginUndecided {
		return &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "cors_unavailable", Header: http.Header{"Retry-After": {"1"}}}
	}
	return &rampart.Problem{Status: http.StatusForbidden, Code: "cors_denied"}
}

// Error implements error.
func (e *DeniedError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("cors: origin %q: %s: %v", e.Origin, e.Reason, e.Err)
	}
	return fmt.Sprintf("cors: origin %q: %s: %q", e.Origin, e.Reason, e.Value)
}

package cors

import "fmt"

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
	Allowed bool   // the origin may read the answer, or go on after its preflight
}

// A Reason says why a request was denied.
type Reason string

// Reasons of a [DeniedError].
const (
	OriginNotAllowed         Reason = "origin_not_allowed"          // not listed
	OriginMalformed          Reason = "origin_malformed"            // nothing that a browser sends, or more than one line
	MethodNotAllowed         Reason = "method_not_allowed"          // allowed origin, preflight for another method
	HeaderNotAllowed         Reason = "header_not_allowed"          // allowed origin, preflight for another header
	HeaderListMalformed      Reason = "header_list_malformed"       // allowed origin, no list that a browser sends
	PrivateNetworkNotAllowed Reason = "private_network_not_allowed" // allowed origin, PrivateNetwork unset
)

// A DeniedError is a request that the policy does not cover. What it holds was
// chosen by the client.
type DeniedError struct {
	Reason Reason
	Origin string // well-formed, or empty
	Value  string // what is not allowed: the origin line, method or header; at most 256 bytes
}

// Error implements error.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("cors: origin %q: %s: %q", e.Origin, e.Reason, e.Value)
}

package headers

import (
	"fmt"
	"net/http"

	"github.com/ecolaura/rampart"
)

// ReasonReserved is a [*rampart.ConfigError]'s: a header in Extra or Remove has
// its own field or belongs to another layer.
const ReasonReserved rampart.Reason = "reserved"

// Reasons of a [*HostError].
const (
	HostMissing    rampart.Denial = "missing"     // no Host at all
	HostMalformed  rampart.Denial = "malformed"   // not host[:port] in ASCII (RFC 9110 section 7.2)
	HostNotAllowed rampart.Denial = "not_allowed" // not in AllowedHosts
	HostUnset      rampart.Denial = "unset"       // the zero Headers allows none
)

// A HostError says why a request was refused for its Host.
type HostError struct {
	Host   string         // as the client sent it
	Reason rampart.Denial // one of the constants above
}

// Error implements error.
func (e *HostError) Error() string {
	return fmt.Sprintf("headers: host %q: %s", e.Host, e.Reason)
}

// Reasons of an [*InsecureError]: why plain http was not redirected but refused.
const (
	InsecureMethod      rampart.Denial = "method"      // neither GET nor HEAD
	InsecureCredentials rampart.Denial = "credentials" // a credential header was sent in the clear
	InsecureBody        rampart.Denial = "body"        // a body was sent in the clear
	InsecureUpgrade     rampart.Denial = "upgrade"     // another protocol was asked for, such as WebSocket
	InsecureTarget      rampart.Denial = "target"      // a request target that is no path
	InsecureNoRedirect  rampart.Denial = "no_redirect" // Redirect.Off

	// InsecureUntrusted means that a proxy says https, in Header, and that nobody has
	// told this layer to believe it: Field does. A redirect would go on for ever.
	InsecureUntrusted rampart.Denial = "untrusted_proxy"
)

// An InsecureError says why a request was refused for coming over plain http.
type InsecureError struct {
	Reason rampart.Denial // one of the constants above
	Header string         // name of the header, if a credential or an untrusted proxy is the reason; never its value
	Field  string         // of [Config], which is to be set if an untrusted proxy is the reason
}

// Error implements error.
func (e *InsecureError) Error() string {
	if e.Header != "" {
		return fmt.Sprintf("headers: plain http: %s (%s)", e.Reason, e.Header)
	}
	return fmt.Sprintf("headers: plain http: %s", e.Reason)
}

// Denial implements [rampart.Refusal].
func (e *HostError) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal].
func (e *HostError) Problem() *rampart.Problem {
	return &rampart.Problem{Status: http.StatusBadRequest, Code: "bad_host", Detail: "Bad host."}
}

// Denial implements [rampart.Refusal].
func (e *InsecureError) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal].
func (e *InsecureError) Problem() *rampart.Problem {
	detail := "Use https."
	if e.Reason == InsecureUntrusted { // the client did
		detail = "A proxy in front of this server, which does not trust it, says that this came over https."
	}
	return &rampart.Problem{Status: http.StatusForbidden, Code: "https_required", Detail: detail}
}

package headers

import (
	"fmt"

	"github.com/ecolaura/rampart"
)

// Reasons of a [*rampart.ConfigError] of this package.
const (
	ReasonMissing   = "missing"   // a required field is empty
	ReasonInvalid   = "invalid"   // a value that breaks the grammar of its header or field
	ReasonConflict  = "conflict"  // two fields exclude each other, or one value names what another lacks
	ReasonPointless = "pointless" // a field has no effect without another, or in this place
	ReasonTooWide   = "too_wide"  // a pattern, prefix or source that admits nearly everything
	ReasonReserved  = "reserved"  // a header in Extra that has its own field or belongs to another layer
	ReasonUnsafe    = "unsafe"    // a source that undoes the policy, without its Dangerously field
	ReasonDuplicate = "duplicate" // the same entry twice
)

func mistake(field, reason, value string) error {
	return &rampart.ConfigError{Package: "headers", Field: field, Reason: reason, Value: value}
}

// A HostReason says what is wrong with a Host.
type HostReason string

// Reasons of a [*HostError].
const (
	HostMissing    HostReason = "missing"     // no Host at all
	HostMalformed  HostReason = "malformed"   // not host[:port] in ASCII (RFC 9110 section 7.2)
	HostNotAllowed HostReason = "not_allowed" // not in AllowedHosts
	HostUnset      HostReason = "unset"       // the zero Headers allows none
)

// A HostError says why a request was refused for its Host.
type HostError struct {
	Host   string // as the client sent it
	Reason HostReason
}

// Error implements error.
func (e *HostError) Error() string {
	return fmt.Sprintf("headers: host %q: %s", e.Host, e.Reason)
}

// An InsecureReason says why plain http was not redirected but refused.
type InsecureReason string

// Reasons of an [*InsecureError].
const (
	InsecureMethod      InsecureReason = "method"      // neither GET nor HEAD
	InsecureCredentials InsecureReason = "credentials" // a credential header was sent in the clear
	InsecureBody        InsecureReason = "body"        // a body was sent in the clear
	InsecureUpgrade     InsecureReason = "upgrade"     // another protocol was asked for, such as WebSocket
	InsecureTarget      InsecureReason = "target"      // a request target that is no path
	InsecureNoRedirect  InsecureReason = "no_redirect" // Redirect.Off
)

// An InsecureError says why a request was refused for coming over plain http.
type InsecureError struct {
	Reason InsecureReason
	Header string // name of the credential header, if that is the reason; never its value
}

// Error implements error.
func (e *InsecureError) Error() string {
	if e.Header != "" {
		return fmt.Sprintf("headers: plain http: %s (%s)", e.Reason, e.Header)
	}
	return fmt.Sprintf("headers: plain http: %s", e.Reason)
}

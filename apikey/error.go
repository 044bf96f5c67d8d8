package apikey

import (
	"cmp"
	"net/http"
	"strconv"

	"github.com/ecolaura/rampart"
)

// The reasons of an [*Error], in the order of the checks. They are for logs and
// for code, never for the client: which of its guesses came close is no client's
// business.
const (
	KeyMissing     rampart.Denial = "missing"     // the request holds no key
	KeyDuplicate   rampart.Denial = "duplicate"   // it holds more than one
	KeyMalformed   rampart.Denial = "malformed"   // not a key of ours, or its checksum is wrong
	KeyUnknown     rampart.Denial = "unknown"     // there is no key with this id
	KeyMismatch    rampart.Denial = "mismatch"    // the id is known, the secret is wrong
	KeyRevoked     rampart.Denial = "revoked"     // the key was revoked
	KeyExpired     rampart.Denial = "expired"     // the key has expired
	KeyAddress     rampart.Denial = "address"     // it may not be used from this address
	KeyScope       rampart.Denial = "scope"       // it lacks a scope that [rampart.RequireScope] asks for
	KeyRotated     rampart.Denial = "rotated"     // [Keys.Rotate] only: the key has a successor already
	KeyUnavailable rampart.Denial = "unavailable" // the store did not respond
)

// An Error says why a key was refused, or why nothing could be done with it. It
// is a [rampart.Refusal]. Errors may be shared between requests: do not change
// one.
type Error struct {
	Reason rampart.Denial // one of the constants above
	KeyID  string         // empty where no key could be told

	challenge string // of a 401
	cause     error
}

// Error implements error.
func (e *Error) Error() string {
	s := "apikey: " + string(e.Reason)
	if e.KeyID != "" {
		s += ": key " + strconv.Quote(e.KeyID)
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Denial implements [rampart.Refusal].
func (e *Error) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal]. The wording is that of Django REST framework.
func (e *Error) Problem() *rampart.Problem {
	p := &rampart.Problem{
		Status: http.StatusUnauthorized, Code: "authentication_failed", Detail: "Incorrect authentication credentials.",
		Header: http.Header{"Www-Authenticate": {cmp.Or(e.challenge, defaultScheme)}}, // RFC 9110 section 11.6.1
	}
	switch e.Reason {
	case KeyUnavailable:
		return outage()
	case KeyScope:
		return &rampart.Problem{Status: http.StatusForbidden, Code: "insufficient_scope", Detail: "You do not have permission to perform this action."}
	case KeyMissing:
		p.Code, p.Detail = "not_authenticated", "Authentication credentials were not provided."
	default:
	}
	return p
}

// Unwrap returns the store's error behind [KeyUnavailable], else nil.
func (e *Error) Unwrap() error { return e.cause }

func unavailable(id string, cause error) error {
	return &Error{Reason: KeyUnavailable, KeyID: id, cause: cause}
}

package apikey

import "strconv"

// A Reason says why a key was refused. It is for logs and for code, never for
// the client: which of its guesses came close is no client's business.
type Reason string

// The reasons, in the order of the checks.
const (
	ReasonMissing     Reason = "missing"     // the request holds no key
	ReasonDuplicate   Reason = "duplicate"   // it holds more than one
	ReasonMalformed   Reason = "malformed"   // not a key of ours, or its checksum is wrong
	ReasonUnknown     Reason = "unknown"     // there is no key with this id
	ReasonMismatch    Reason = "mismatch"    // the id is known, the secret is wrong
	ReasonRevoked     Reason = "revoked"     // the key was revoked
	ReasonExpired     Reason = "expired"     // the key has expired
	ReasonAddress     Reason = "address"     // it may not be used from this address
	ReasonScope       Reason = "scope"       // it lacks a scope that [Keys.RequireScope] asks for
	ReasonRotated     Reason = "rotated"     // [Keys.Rotate] only: the key has a successor already
	ReasonUnavailable Reason = "unavailable" // the store did not answer
)

// An Error says why a key was refused, or why nothing could be done with it.
// Errors may be shared between requests: do not change one.
type Error struct {
	Reason Reason
	KeyID  string // empty where no key could be told

	cause error
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

// Unwrap returns the store's error behind [ReasonUnavailable], else nil.
func (e *Error) Unwrap() error { return e.cause }

func unavailable(id string, cause error) error {
	return &Error{Reason: ReasonUnavailable, KeyID: id, cause: cause}
}

package auth

import "github.com/ecolaura/rampart"

// Reasons of a [rampart.ConfigError] of this package.
const (
	ReasonMissing   = "missing"   // a required field is empty
	ReasonInvalid   = "invalid"   // a value that the field cannot take
	ReasonMismatch  = "mismatch"  // a key of another kind than the algorithm needs
	ReasonWeak      = "weak"      // a key that is too short, or known to be breakable
	ReasonDuplicate = "duplicate" // two keys with one id
	ReasonConflict  = "conflict"  // two settings that exclude each other
	ReasonPointless = "pointless" // a setting that has no effect beside another
)

func mistake(field, reason, value string) error {
	return &rampart.ConfigError{Package: "auth", Field: field, Reason: reason, Value: value}
}

// keyMistake is a mistake in a key; field is the parameter's name. It never
// carries material.
func keyMistake(field, reason, value string) error { return mistake("Key "+field, reason, value) }

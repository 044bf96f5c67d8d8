package auth

import "github.com/ecolaura/rampart"

// ReasonMismatch is a [rampart.ConfigError]'s: a key is of another kind than its
// use needs.
const ReasonMismatch rampart.Reason = "mismatch"

package fernet

import "github.com/ecolaura/rampart"

// Reasons of a [rampart.ConfigError] that only this package has. Its Value stays
// empty wherever it may hold a key.
const (
	ReasonNotAKey rampart.Reason = "not_a_key" // not the canonical base64url text of 32 bytes
	ReasonTooMany rampart.Reason = "too_many"  // more than [MaxKeys]
)

// What the mistakes say would be right.
const (
	wantKey     = "a key is the 44 characters of base64url, with their =, of 32 random bytes, as GenerateKey and Python's Fernet.generate_key make it"
	wantFewer   = "use at most 16 keys; remove the oldest once nothing is encrypted with them"
	wantZeroKey = "give a key of GenerateKey or ParseKey"
)

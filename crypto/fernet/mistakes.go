package fernet

import "github.com/ecolaura/rampart"

// Reasons of a [rampart.ConfigError] of this package. Its Value stays empty
// wherever it may hold a key.
const (
	ReasonMissing    = "missing"              // no key where one is needed, no source of them, or a required field is empty
	ReasonNotAKey    = "not_a_key"            // not the canonical base64url text of 32 bytes
	ReasonTooMany    = "too_many"             // more than [MaxKeys]
	ReasonConflict   = "conflict"             // both NAME and NAME_FILE are set
	ReasonUnreadable = "unreadable"           // the file cannot be read, is no regular file or is too large
	ReasonExposed    = "readable_by_everyone" // the file's mode lets others read it, or its group write it
)

func mistake(field, reason, value string) error {
	return &rampart.ConfigError{Package: "fernet", Field: field, Reason: reason, Value: value}
}

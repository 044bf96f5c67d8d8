package crypto

import "github.com/ecolaura/rampart"

// Reasons of a [rampart.ConfigError] of this package. Its Value stays empty
// wherever it may hold a key.
const (
	ReasonMissing    = "missing"              // no key where one is needed, no source of them, or a required field is empty
	ReasonInvalid    = "not_a_key"            // not the canonical base64url text of 32 bytes
	ReasonBadValue   = "invalid"              // a value that the field cannot take
	ReasonNoField    = "no_field"             // row-bound values need a Cipher of [Keyring.Field]
	ReasonTooMany    = "too_many"             // more than [MaxKeys]
	ReasonConflict   = "conflict"             // both NAME and NAME_FILE are set
	ReasonUnreadable = "unreadable"           // the file cannot be read, is no regular file or is too large
	ReasonExposed    = "readable_by_everyone" // the file's mode lets others read it, or its group write it
)

func mistake(field, reason, value string) error {
	return &rampart.ConfigError{Package: "crypto", Field: field, Reason: reason, Value: value}
}

package rampart

import (
	"errors"
	"iter"

	"github.com/ecolaura/rampart/internal/conferr"
)

// Reasons of a [*ConfigError] of this package.
const (
	ReasonMissing   = "missing"   // a required field is empty
	ReasonInvalid   = "invalid"   // a value that the field cannot take
	ReasonConflict  = "conflict"  // two fields exclude each other
	ReasonPointless = "pointless" // a field has no effect without another
	ReasonTooWide   = "too_wide"  // a prefix that trusts the whole address space
)

// A ConfigError is one mistake in a Config. Every constructor of this module
// reports all mistakes of its Config at once, joined with [errors.Join];
// [Mistakes] takes them apart again, for a settings page or a start-up log. Its
// fields, all strings, are Package (such as "cors"), Field (such as "Origins"),
// Reason (one of that package's documented reasons, such as "missing") and Value
// (the offending value; empty where it may hold a secret).
type ConfigError = conferr.ConfigError

// Mistakes iterates over every [*ConfigError] in the error tree of err, in the
// order in which they were joined. It yields nothing for a nil err.
func Mistakes(err error) iter.Seq[*ConfigError] {
	return func(yield func(*ConfigError) bool) { walk(err, yield) }
}

// walk visits the tree of err depth-first and says whether to go on.
func walk(err error, yield func(*ConfigError) bool) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			if !walk(e, yield) {
				return false
			}
		}
		return true
	}
	if ce, ok := err.(*ConfigError); ok { //nolint:errorlint // the tree is walked node by node, so As would yield twice
		return yield(ce)
	}
	if one := errors.Unwrap(err); one != nil {
		return walk(one, yield)
	}
	return true
}

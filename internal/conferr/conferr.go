// Package conferr declares rampart.ConfigError, so that a package which links
// nothing of net/http can report its mistakes in the common form, and collects
// such mistakes.
package conferr

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
)

// A Reason is why a setting was refused, in one word.
type Reason string

// Reasons that more than one package has. A package declares its further ones
// itself, as rampart.Reason; no word and no name is declared twice.
const (
	ReasonMissing    Reason = "missing"    // a required setting is empty
	ReasonInvalid    Reason = "invalid"    // a value that the setting cannot take
	ReasonConflict   Reason = "conflict"   // two settings exclude each other
	ReasonPointless  Reason = "pointless"  // the setting has no effect without another, or in this place
	ReasonTooWide    Reason = "too_wide"   // a prefix, pattern or source that admits nearly everything
	ReasonDuplicate  Reason = "duplicate"  // the same entry or name twice
	ReasonUnknown    Reason = "unknown"    // a name that is not known
	ReasonUnsafe     Reason = "unsafe"     // a value that undoes the protection
	ReasonWeak       Reason = "weak"       // a key or hash that is too easy to break
	ReasonUnreadable Reason = "unreadable" // the file cannot be read, is no regular file or is too large
)

// What several packages say would be right.
const (
	WantDB      = "open a *sql.DB and give it"
	WantDialect = "use rampart.SQLite or rampart.PostgreSQL"
	WantDo      = "give a function that sends a command to Redis"
	WantFile    = "name a file that this process can read"
	WantMode    = "let only its owner read it, with chmod 600, or its group too, with chmod 640"
	WantHeader  = `a header name is one word, such as "X-Request-Id"`
	WantOnce    = "list it once"
	WantOutage  = "choose rampart.FailClosed or rampart.FailOpen"
	WantPrefix  = `write a network such as "10.0.0.0/8" without bits set behind its length, or one address such as "10.0.0.1/32"; IPv4 is written as IPv4`
)

// A ConfigError is one mistake in a configuration. Every constructor of this
// module reports all mistakes at once, joined with errors.Join.
type ConfigError struct {
	Type   string // what was configured, such as "cors.Config"; a function with parameters too, such as "fernet.NewKeyring"
	Field  string // its field or parameter, such as "Origins"
	Reason Reason // such as "missing"
	Value  string // the offending value; empty where there is none or it may hold a secret
	Want   string // one sentence that says what would be right; never a secret
}

// Error implements error. The value, if any, is quoted: it may come from an
// environment variable or a file that somebody else writes.
func (e *ConfigError) Error() string {
	text := e.Type + "." + e.Field + ": " + string(e.Reason)
	if e.Value != "" {
		text += " " + strconv.Quote(e.Value)
	}
	if e.Want != "" {
		text += ": " + e.Want
	}
	return text
}

// New returns a single mistake. The value is printed as fmt.Sprint does; nil is
// none.
func New(typ, field string, reason Reason, value any, want string) error {
	e := &ConfigError{Type: typ, Field: field, Reason: reason, Want: want}
	if value != nil {
		e.Value = fmt.Sprint(value)
	}
	return e
}

// Mistakes collects the mistakes in one configuration. Create it with [For].
type Mistakes struct {
	typ  string
	errs []error
}

// For returns an empty collection for the type or function typ.
func For(typ string) *Mistakes { return &Mistakes{typ: typ} }

// Add adds what [New] returns.
func (m *Mistakes) Add(field string, reason Reason, value any, want string) {
	m.errs = append(m.errs, New(m.typ, field, reason, value, want))
}

// If adds a mistake if bad is true.
func (m *Mistakes) If(bad bool, field string, reason Reason, value any, want string) {
	if bad {
		m.Add(field, reason, value, want)
	}
}

// Join adds the mistakes in err, such as those of a nested configuration. It
// ignores nil.
func (m *Mistakes) Join(err error) { m.errs = append(m.errs, err) }

// Err returns all mistakes, joined, or nil if there are none.
func (m *Mistakes) Err() error { return errors.Join(m.errs...) }

// All is rampart.Mistakes.
func All(err error) iter.Seq[*ConfigError] {
	return func(yield func(*ConfigError) bool) { walk(err, yield) }
}

// walk visits the tree of err depth-first and reports whether to go on.
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

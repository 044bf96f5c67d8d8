package rampart

import (
	"iter"

	"github.com/ecolaura/rampart/internal/conferr"
)

// A Reason classifies a [*ConfigError] in one word. The reason of a refused request
// is a [Denial].
type Reason = conferr.Reason

// Reasons that more than one package has. Those of one package are declared
// there.
const (
	ReasonMissing    = conferr.ReasonMissing    // a required setting is empty
	ReasonInvalid    = conferr.ReasonInvalid    // a value that the setting cannot take
	ReasonConflict   = conferr.ReasonConflict   // two settings exclude each other
	ReasonPointless  = conferr.ReasonPointless  // the setting has no effect without another, or in this place
	ReasonTooWide    = conferr.ReasonTooWide    // a prefix, pattern or source that admits nearly everything
	ReasonDuplicate  = conferr.ReasonDuplicate  // the same entry or name twice
	ReasonUnknown    = conferr.ReasonUnknown    // a name that is not known
	ReasonUnsafe     = conferr.ReasonUnsafe     // a value that undoes the protection
	ReasonWeak       = conferr.ReasonWeak       // a key or hash that is too easy to break
	ReasonUnreadable = conferr.ReasonUnreadable // the file cannot be read, is not a regular file or is too large
)

// A ConfigError is one mistake in a configuration. Every constructor of this
// module reports all mistakes at once, joined with [errors.Join]; [Mistakes]
// takes them apart again, for a settings page or a start-up log. Its fields are
// Type (what was configured, such as "cors.Config", or a function, such as
// "fernet.NewKeyring"), Field (such as "Origins"; a parameter of a function),
// Reason, Value (the offending value; empty where there is none or it may hold a
// secret) and Want (one sentence that says what would be right). Its text is
//
//	cors.Config.Origins: invalid "https://a.example/": an origin is scheme://host[:port], …
type ConfigError = conferr.ConfigError

// Mistakes iterates over every [*ConfigError] in the error tree of err, in the
// order in which they were joined. It yields nothing for a nil err.
func Mistakes(err error) iter.Seq[*ConfigError] { return conferr.All(err) }

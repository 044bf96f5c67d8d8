// Package conferr declares rampart.ConfigError, so that a package which links
// nothing of net/http can report its mistakes in the common form.
package conferr

import "strconv"

// A ConfigError is one mistake in a Config. Every constructor of this module
// reports all mistakes of its Config at once, joined with errors.Join.
type ConfigError struct {
	Package string // package of the Config, such as "cors"
	Field   string // field of the Config, such as "Origins"
	Reason  string // one of that package's documented reasons, such as "missing"
	Value   string // the offending value; empty where it may hold a secret
}

// Error implements error. The value, if any, is quoted: it may come from an
// environment variable or a file that somebody else writes.
func (e *ConfigError) Error() string {
	if e.Value == "" {
		return e.Package + ": " + e.Field + ": " + e.Reason
	}
	return e.Package + ": " + e.Field + ": " + e.Reason + ": " + strconv.Quote(e.Value)
}

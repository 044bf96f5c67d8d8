package attack

import "fmt"

// A Severity says how bad a weakness is.
type Severity uint8

// Severities.
const (
	Low Severity = iota + 1
	Medium
	High
	Critical
)

// String implements [fmt.Stringer].
func (s Severity) String() string {
	switch s {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	case Critical:
		return "critical"
	default:
		return "unknown"
	}
}

// A Finding is a weakness in one place, with the first request there that showed it.
type Finding struct {
	Weakness        // its Layer is the one that stops it here
	Method   string // of the request; "" if several requests together show it
	Path     string // that was asked for, without a query
	Detail   string // what was seen
	Request  string // to reproduce it, as it goes over the wire. Tokens and keys that were given or issued are replaced by their names
}

// String is the finding on a few lines.
func (f Finding) String() string {
	return fmt.Sprintf("%s (%s, %s, %s; layer: %s): %s\n%s", f.Title, f.Severity, f.CWE, f.Top10, f.Layer, f.Detail, f.Request)
}

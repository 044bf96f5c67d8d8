// Package conf reads, checks and writes Kong's declarative configuration
// (_format_version 1.1, 2.1 and 3.0; it writes 3.0), the part of it that this gateway
// has: every mistake at once, each with its line. Nothing is ignored: a field or plugin that it does
// not know is a mistake.
//
// A File is what the document says, flat: entities that were written inside
// others carry a reference in its place.
package conf

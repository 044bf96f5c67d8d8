package weborigin

import (
	_ "embed" // the list
	"strings"
)

// suffixes has a line for each public suffix of two or more labels, and for each name
// above one: "*." stands before a name where every label below it is a suffix, "!"
// before one that is no suffix in spite of that.
//
//go:embed suffixes.txt
var suffixes string // read-only

// open reports whether strangers can register names below host. A name of one label is
// a suffix, whether or not it is listed.
func open(host string) bool {
	listed := func(line string) bool { return strings.Contains(suffixes, "\n"+line+"\n") }
	_, parent, found := strings.Cut(host, ".")
	if !found {
		return true
	}
	return !listed("!"+host) && (listed(host) || listed("*."+host) || listed("*."+parent))
}

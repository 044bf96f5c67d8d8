package instance

import (
	"cmp"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// Bounds.
const (
	Max        = 1000 // how many instances are listed at most
	MaxVersion = 64   // bytes of a version
)

const shortRevision = 12 // digits, as in a pseudo-version

// Newest returns the [Max] most recently seen of all, the oldest first. It changes
// the order of all.
func Newest(all []rampart.Instance) []rampart.Instance {
	slices.SortFunc(all, func(a, b rampart.Instance) int { return b.Seen.Compare(a.Seen) })
	all = all[:min(len(all), Max)]
	slices.SortFunc(all, func(a, b rampart.Instance) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
	})
	return all
}

// Version returns which release of the main module a program was built from: its
// version, or else the revision.
func Version(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version = s.Value[:min(len(s.Value), shortRevision)]
			}
		}
	}
	return version[:min(len(version), MaxVersion)]
}

// IsVersion reports whether v is short, and can be stored and printed everywhere.
func IsVersion(v string) bool {
	return len(v) <= MaxVersion && utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) })
}

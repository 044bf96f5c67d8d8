package weborigin

import "strings"

// A Pattern is an origin, or several: "https://*.example.com" is every host below
// example.com, "http://localhost:*" any port.
type Pattern struct {
	Base       Origin // without "*." and ":*"
	Subdomains bool
	AnyPort    bool
}

// ParsePattern is stricter than [Parse] where a browser lets through what
// no name server holds: labels that start or end with a hyphen.
func ParsePattern(s string) (Pattern, bool) {
	rest, anyPort := strings.CutSuffix(s, ":*")
	scheme, host, _ := strings.Cut(rest, "://")
	host, subdomains := strings.CutPrefix(host, "*.")
	base := rest
	if subdomains {
		base = scheme + "://" + host
	}
	o, ok := Parse(base)
	switch {
	case !ok,
		anyPort && o.Port() != "",
		subdomains && (o.address || len("*.")+len(o.Host()) > maxHost),
		!o.address && hyphenAtEdge(o.Host()):
		return Pattern{}, false
	}
	return Pattern{Base: o, Subdomains: subdomains, AnyPort: anyPort}, true
}

func hyphenAtEdge(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return true
		}
	}
	return false
}

// Open reports whether strangers can register names that the pattern covers: the host
// is a public suffix (com, github.io), a suffix is any label below it
// (compute.amazonaws.com), or suffixes are further down (amazonaws.com, above
// s3.amazonaws.com).
func (p Pattern) Open() bool {
	return p.Subdomains && !p.Base.Local() && open(strings.TrimSuffix(p.Base.Host(), "."))
}

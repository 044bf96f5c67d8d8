package cors

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// A pattern is one entry of [Config.Origins] other than "*".
type pattern struct {
	base       origin // without "*." and ":*"
	subdomains bool
	anyPort    bool
}

// parsePattern is stricter than parseOrigin where a browser lets through what
// no name server holds: labels that start or end with a hyphen.
func parsePattern(s string) (pattern, bool) {
	rest, anyPort := strings.CutSuffix(s, ":*")
	scheme, host, _ := strings.Cut(rest, "://")
	host, subdomains := strings.CutPrefix(host, "*.")
	base := rest
	if subdomains {
		base = scheme + "://" + host
	}
	o, ok := parseOrigin(base)
	switch {
	case !ok,
		anyPort && o.port() != "",
		subdomains && (o.address || len("*.")+len(o.host()) > maxHost),
		!o.address && hyphenAtEdge(o.host()):
		return pattern{}, false
	}
	return pattern{base: o, subdomains: subdomains, anyPort: anyPort}, true
}

func hyphenAtEdge(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return true
		}
	}
	return false
}

// insecure reports whether somebody on the wire can speak for the origin: it is
// neither https nor on the browser's own machine.
func (p pattern) insecure() bool {
	switch p.base.scheme() {
	case "https://", "chrome-extension://", "moz-extension://", "safari-web-extension://": // the browser's own
		return false
	default:
		return !p.local()
	}
}

// local reports whether the host is the browser's own machine: a localhost name
// (RFC 6761 section 6.3) or a loopback address.
func (p pattern) local() bool {
	host := strings.TrimSuffix(p.base.host(), ".")
	if p.base.address {
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return err == nil && addr.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// publicSuffix reports whether strangers can register names that the pattern
// covers: directly below it (com, github.io), one label further down, where the list
// has a rule for every label (*.compute.amazonaws.com), or below a suffix that is
// further down (s3.amazonaws.com below amazonaws.com).
func (p pattern) publicSuffix() bool {
	if !p.subdomains || p.local() {
		return false
	}
	host := strings.TrimSuffix(p.base.host(), ".")
	for _, name := range [...]string{host, "x." + host} {
		if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
			return true
		}
	}
	return strings.Contains(parents, "\n"+host+"\n")
}

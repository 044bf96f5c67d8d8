package headers

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
)

// schemeRule tells how a request's client reached us.
type schemeRule struct {
	trusted []netip.Prefix
	header  string // canonical
}

// isHTTPS says whether the client spoke TLS: what a trusted proxy says, else
// whether this connection is TLS. A proxy may speak TLS to us for a client
// that spoke plain http to it, so where it says something its word counts.
// r.URL.Scheme never does: the absolute form of a request target (RFC 9112
// section 3.2.2) lets any client write it.
func (s *schemeRule) isHTTPS(r *http.Request) bool {
	if len(s.trusted) > 0 && s.trusts(rampart.PeerAddr(r)) {
		if lines := r.Header[s.header]; len(lines) > 0 {
			return s.saysHTTPS(lines)
		}
	}
	return r.TLS != nil
}

func (s *schemeRule) trusts(peer netip.Addr) bool {
	return slices.ContainsFunc(s.trusted, func(p netip.Prefix) bool { return p.Contains(peer) })
}

func (s *schemeRule) saysHTTPS(lines []string) bool {
	last := lines[len(lines)-1]
	switch s.header {
	case "X-Forwarded-Proto":
		// The nearest proxy appended the rightmost; the rest is the client's.
		return equalFold(strings.Trim(last[strings.LastIndexByte(last, ',')+1:], " \t"), "https")
	case "Forwarded":
		return equalFold(lastForwardedProto(last), "https")
	default:
		value := strings.Trim(last, " \t")
		return len(lines) == 1 && (equalFold(value, "https") || equalFold(value, "on"))
	}
}

// lastForwardedProto returns the proto parameter of the rightmost element of a
// Forwarded line (RFC 7239 section 4); "" if there is none, if it is there
// twice, or if quotes do not pair, for then the elements cannot be told apart.
func lastForwardedProto(line string) string {
	proto, seen, start, quoted := "", false, 0, false
	pair := func(s string) {
		name, value, _ := strings.Cut(strings.Trim(s, " \t"), "=")
		if !equalFold(name, "proto") {
			return
		}
		proto = value
		if seen {
			proto = ""
		}
		seen = true
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == ';' || c == ',':
			pair(line[start:i])
			start = i + 1
			if c == ',' {
				proto, seen = "", false
			}
		}
	}
	if quoted {
		return ""
	}
	pair(line[start:])
	return strings.Trim(proto, `"`)
}

// forwarded says whether a header hints at a proxy between the client and us.
func (s *schemeRule) forwarded(h http.Header) bool {
	for name := range h {
		switch name {
		case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Fastly-Client-Ip",
			"Front-End-Https", "Cdn-Loop", "X-Original-Host", "X-Host", "X-Url-Scheme", "X-Scheme", "X-Arr-Ssl", "X-Request-Start", s.header:
			return true
		}
		if strings.HasPrefix(name, "X-Forwarded") || strings.HasPrefix(name, "Cf-") ||
			strings.HasPrefix(name, "Cloudfront-") || strings.HasPrefix(name, "X-Envoy-") ||
			strings.HasPrefix(name, "X-Amzn-") || strings.HasPrefix(name, "X-Proxy") {
			return true
		}
	}
	return false
}

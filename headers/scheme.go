package headers

import (
	"net/http"
	"slices"
	"strings"
)

// tellsHTTPS returns the name of a header in which a proxy says that the client spoke
// https, or "". It is asked of requests that count as plain http: their proxy is not
// trusted, or is said to write another header.
func (p *policy) tellsHTTPS(h http.Header) string {
	says := func(name string, is func(value string) bool) bool { return slices.ContainsFunc(h[name], is) }
	words := func(line string) bool {
		for word := range strings.SplitSeq(line, ",") {
			if word = strings.TrimSpace(word); strings.EqualFold(word, "https") || strings.EqualFold(word, "on") || word == "1" {
				return true
			}
		}
		return false
	}
	part := func(text string) func(string) bool {
		return func(line string) bool { return strings.Contains(strings.ToLower(line), text) }
	}
	for _, name := range []string{
		"X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Url-Scheme", "X-Scheme",
		"Front-End-Https", "Cloudfront-Forwarded-Proto", http.CanonicalHeaderKey(p.proxies.SchemeHeader),
	} {
		if name != "Forwarded" && says(name, words) {
			return name
		}
	}
	switch {
	case says("Forwarded", part("proto=https")), says("Forwarded", part(`proto="https"`)):
		return "Forwarded"
	case says("Cf-Visitor", part(`"scheme":"https"`)):
		return "Cf-Visitor"
	case len(h["X-Arr-Ssl"]) > 0: // there with https only
		return "X-Arr-Ssl"
	default:
		return ""
	}
}

// forwarded reports whether a header hints at a proxy between the client and us.
func (p *policy) forwarded(h http.Header) bool {
	for name := range h {
		switch name {
		case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Fastly-Client-Ip",
			"Front-End-Https", "Cdn-Loop", "X-Original-Host", "X-Host", "X-Url-Scheme", "X-Scheme", "X-Arr-Ssl", "X-Request-Start", http.CanonicalHeaderKey(p.proxies.SchemeHeader):
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

package headers

import (
	"net/http"
	"strings"
)

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

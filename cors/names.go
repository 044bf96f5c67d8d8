package cors

import "strings"

// normalMethod is Fetch's "normalize a method": the six that its authors had
// upper-cased since XMLHttpRequest, and no other.
func normalMethod(method string) string {
	switch upper := strings.ToUpper(method); upper {
	case "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT":
		return upper
	default:
		return method
	}
}

// safelistedMethod is Fetch's "CORS-safelisted method".
func safelistedMethod(method string) bool {
	return method == "GET" || method == "HEAD" || method == "POST"
}

// forbiddenMethod is Fetch's "forbidden method": no script can send it.
func forbiddenMethod(method string) bool {
	return strings.EqualFold(method, "CONNECT") || strings.EqualFold(method, "TRACE") || strings.EqualFold(method, "TRACK")
}

// forbiddenRequestHeader is Fetch's "forbidden request-header" for a name in
// lower case: browsers drop it before they ask.
func forbiddenRequestHeader(name string) bool {
	switch name {
	case "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
		"access-control-request-private-network", "connection", "content-length", "cookie", "cookie2", "date", "dnt",
		"expect", "host", "keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding",
		"upgrade", "via":
		return true
	}
	return strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-")
}

// pointlessRequestHeader: the protocol's response headers mean nothing in a
// request; somebody took one list for the other.
func pointlessRequestHeader(name string) bool {
	return strings.HasPrefix(name, "access-control-allow-") ||
		name == "access-control-expose-headers" || name == "access-control-max-age"
}

// forbiddenResponseHeader is Fetch's "forbidden response-header name".
func forbiddenResponseHeader(name string) bool {
	return name == "set-cookie" || name == "set-cookie2"
}

// pointlessResponseHeader: headers of requests, and those that only the response
// to a preflight has, which no script sees.
func pointlessResponseHeader(name string) bool {
	switch name {
	case "origin", "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age":
		return true
	}
	return strings.HasPrefix(name, "access-control-request-")
}

// safelistedResponseHeader is Fetch's "CORS-safelisted response-header name":
// scripts read these anyway.
func safelistedResponseHeader(name string) bool {
	switch name {
	case "cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma":
		return true
	}
	return false
}

package call

import (
	"net/url"
	"slices"
	"strings"
)

// Reserved reports whether a header of a client is not passed on: what says who
// it is or asks for something else than the route was found by, and names with an
// underscore, which an upstream that speaks CGI or WSGI cannot tell from those
// with a hyphen.
func Reserved(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		return true
	}
	switch name {
	case "Http2-Settings", // of h2c
		"Proxy",                           // HTTP_PROXY to a CGI program
		"Forwarded",                       // X-Forwarded-* say it to the upstream
		"X-Original-Url", "X-Rewrite-Url", // a path by which no route was found
		"X-Http-Method-Override", "X-Http-Method", "X-Method-Override": // nor by that method
		return true
	}
	if len(name) < 2 || name[0] != 'X' {
		return false
	}
	return IsIdentity(name) || strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip"
}

// IsIdentity reports whether a header tells the upstream who calls.
func IsIdentity(name string) bool {
	return strings.HasPrefix(name, "X-Consumer-") || strings.HasPrefix(name, "X-Credential-") ||
		strings.HasPrefix(name, "X-Authenticated-") || name == "X-Anonymous-Consumer"
}

// Identity passes each header that tells the upstream who calls to put.
func (c *Call) Identity(put func(name, value string)) {
	who := c.Consumer
	if who == nil {
		return
	}
	some := func(name, value string) {
		if value != "" {
			put(name, value)
		}
	}
	some("X-Consumer-Id", who.ID)
	some("X-Consumer-Custom-Id", who.CustomID)
	some("X-Consumer-Username", who.Username)
	some("X-Credential-Identifier", c.Credential)
	some("X-Consumer-Groups", strings.Join(c.Groups, ", "))
	if c.Anonymous {
		put("X-Anonymous-Consumer", "true")
	}
}

// Without returns a query without some of its parameters; the others stay byte
// for byte.
func Without(query string, names []string) string {
	var keep []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil && slices.Contains(names, plain) {
			continue
		}
		keep = append(keep, part)
	}
	return strings.Join(keep, "&")
}

package headers

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/token"
)

// oneOf returns a check for a header that takes one of a few words.
func oneOf(words ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(words, s) }
}

// isReferrerPolicy follows Referrer Policy section 4.1: a list of tokens.
func isReferrerPolicy(s string) bool {
	known := oneOf("no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
		"origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url")
	for policy := range strings.SplitSeq(s, ",") {
		if !known(strings.Trim(policy, " ")) {
			return false
		}
	}
	return true
}

// isPolicyItem returns a check for a structured-field item with an optional
// report-to parameter (HTML standard, "obtain an opener policy").
func isPolicyItem(words ...string) func(string) bool {
	known := oneOf(words...)
	return func(s string) bool {
		word, param, reports := strings.Cut(s, ";")
		if !known(word) {
			return false
		}
		_, ok := reportTo(s)
		return !reports || ok && strings.TrimLeft(param, " ") != ""
	}
}

// reporting returns a check for what valid admits if it names an endpoint.
func reporting(valid func(string) bool) func(string) bool {
	return func(s string) bool {
		_, ok := reportTo(s)
		return ok && valid(s)
	}
}

// reportTo returns the endpoint named in the report-to parameter.
func reportTo(s string) (name string, ok bool) {
	_, param, _ := strings.Cut(s, ";")
	name, ok = strings.CutPrefix(strings.TrimLeft(param, " "), `report-to="`)
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, `"`)
	return name, ok && isFieldKey(name)
}

// isCacheControl follows RFC 9111 section 5.2: a list of directives, of which
// the known ones take seconds, field names or nothing.
func isCacheControl(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		name, value, hasValue := strings.Cut(strings.Trim(part, " "), "=")
		if !token.Valid(name) {
			return false
		}
		switch strings.ToLower(name) {
		case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
			if len(value) > 10 || strings.Trim(value, "0123456789") != "" || value == "" {
				return false
			}
		case "no-store", "public", "must-revalidate", "proxy-revalidate", "must-understand", "no-transform", "immutable":
			if hasValue {
				return false
			}
		default:
			if hasValue && !token.Valid(value) && !isQuotedToken(value) {
				return false
			}
		}
	}
	return true
}

// isQuotedToken admits the quoted field name of no-cache and private. A list
// of them has commas, at which the directives were split.
func isQuotedToken(s string) bool {
	inner, ok := strings.CutPrefix(s, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	return ok && closed && token.Valid(inner)
}

// isFieldValue reports whether s can be a field value (RFC 9110 section 5.5) in
// ASCII, with nothing to trim.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '\t' && (c < ' ' || c >= 0x7f) {
			return false
		}
	}
	return s != "" && strings.Trim(s, " \t") == s
}

// isReserved reports whether Extra must not hold a header: it has a field of its
// own, it is one of CORS, of the connection (RFC 9110 section 7.6.1) or of one
// response only.
func isReserved(name string) bool {
	switch name {
	case cspHeader, cspReportOnlyHeader, permissionsHeader, endpointsHeader, hstsHeader,
		frameHeader, referrerHeader, openerHeader, openerReportOnlyHeader, embedderHeader, embedderReportOnlyHeader, resourceHeader, cacheHeader,
		"X-Content-Type-Options", "X-Xss-Protection", "Origin-Agent-Cluster", "X-Permitted-Cross-Domain-Policies", "X-Dns-Prefetch-Control",
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate",
		"Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Content-Location", "Content-Disposition",
		"Set-Cookie", "Vary", "Location", "Date", "Age", "Etag", "Last-Modified", "Retry-After", "Www-Authenticate", "Allow", "Timing-Allow-Origin":
		return true
	}
	return strings.HasPrefix(name, "Access-Control-")
}

func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

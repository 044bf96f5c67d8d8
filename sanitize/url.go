package sanitize

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart/internal/text"
)

// maxURL is what browsers and proxies carry at least (RFC 9110 section 4.1
// recommends 8000 octets).
const maxURL = 8000

// URL parses an absolute URL with one of schemes (in lower case; none: http and
// https). Its host is a domain name of two labels or more, "localhost" or an
// IP address in its usual form, and comes out as lower-case A-labels. Refused are
// user names and passwords (which hide the host), backslashes, white space,
// controls, a port outside 1 to 65535, and numbers that only some readers take
// for an IPv4 address. Where the host leads is not checked: a server that
// fetches such a URL must look at the address that it connects to. The error
// is an [*Invalid].
func URL(s string, schemes ...string) (*url.URL, error) {
	if len(schemes) == 0 {
		schemes = []string{"http", "https"}
	}
	if len(s) > maxURL || !utf8.ValidString(s) || strings.ContainsFunc(s, isNotInURL) {
		return nil, notAURL()
	}
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Opaque != "" || u.User != nil {
		return nil, notAURL()
	}
	host, ok := hostName(u.Hostname())
	if port := u.Port(); ok && port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		ok = err == nil && n > 0
		host += ":" + strconv.FormatUint(n, 10)
	}
	if !ok || strings.HasSuffix(u.Host, ":") {
		return nil, notAURL()
	}
	u.Host = host
	return u, nil
}

func notAURL() error { return &Invalid{Code: "url", Detail: "Enter a valid URL."} }

// isNotInURL reports whether r cannot be in a URL, not even unescaped by a careless
// writer. Browsers drop some of these, other parsers do not.
func isNotInURL(r rune) bool {
	return r <= ' ' || r == '\\' || r == 0x7f || 0x80 <= r && r <= 0xa0 || r == '\u2028' || r == '\u2029' || r == '\u3000' || text.IsBidiControl(r)
}

// hostName returns the canonical form of a URL's host.
func hostName(s string) (string, bool) {
	if addr, ok := address(s); ok {
		if addr.Is4() {
			return addr.String(), true
		}
		return "[" + addr.String() + "]", true
	}
	if text.LowerASCII(s) == "localhost" {
		return "localhost", true
	}
	return domainName(s)
}

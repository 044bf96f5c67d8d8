package sanitize

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Redirect returns s as a Location that leads nowhere else than it should: a
// path of this host, which begins with one slash, or an http or https URL whose
// host and port are one of hosts, written exactly so. It refuses all that
// Django's url_has_allowed_host_and_scheme refuses, and of what that accepts:
// white space and controls (browsers drop them, "/\t/evil" is "//evil"), dot
// segments and backslashes (a proxy may resolve them into "//"), and paths that
// are relative to the current one. The error is an [*Invalid].
func Redirect(s string, hosts ...string) (string, error) {
	if len(s) > maxURL || !utf8.ValidString(s) || strings.ContainsFunc(s, isNotInURL) {
		return "", notARedirect()
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.User != nil || !isSafePath(u.Path, u.EscapedPath()) || strings.HasPrefix(u.Path, "//") {
		return "", notARedirect()
	}
	switch {
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//"):
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && slices.Contains(hosts, u.Host):
	default:
		return "", notARedirect()
	}
	return u.String(), nil
}

func notARedirect() error {
	return &Invalid{Code: "redirect", Detail: "Enter a path of this site."}
}

package headers

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/weborigin"
)

// check decides about one request.
func (p *csrfPolicy) check(r *http.Request) error {
	upgrade := len(r.Header["Upgrade"]) > 0
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !upgrade {
			return nil
		}
	}
	reason := p.suspicion(r, upgrade)
	if reason == "" || p.exempts(r) {
		return nil
	}
	return &CSRFError{Origin: r.Header.Get("Origin"), Reason: reason}
}

// suspicion returns why the request may be forged, or "".
func (p *csrfPolicy) suspicion(r *http.Request, upgrade bool) rampart.Denial {
	sites, origins := r.Header["Sec-Fetch-Site"], r.Header["Origin"]
	switch {
	case len(sites) > 1 || len(origins) > 1:
		return CSRFAmbiguous
	case len(sites) == 1 && sites[0] == "":
		return CSRFMalformed
	case len(sites)+len(origins) == 0 && p.requireSignal && len(r.Header["Cookie"]) > 0:
		return CSRFNoSignal
	}
	if len(origins) == 1 && p.trusts(origins[0]) {
		return ""
	}
	if len(origins) == 1 && origins[0] != "null" {
		scheme, ok := parseOrigin(origins[0])
		switch {
		case !ok && len(sites) == 0:
			return CSRFMalformed
		case scheme == "http" && len(sites) == 0 && isHTTPS(r):
			return CSRFInsecure
		}
	}
	if upgrade { // for the standard library a GET is always safe
		post := *r
		post.Method = http.MethodPost
		r = &post
	}
	if p.std.Check(r) != nil {
		return CSRFCrossOrigin
	}
	return ""
}

// trusts reports whether TrustedOrigins covers origin.
func (p *csrfPolicy) trusts(origin string) bool {
	if p.trusted.Listed(origin) {
		return true
	}
	o, ok := weborigin.Parse(origin)
	return ok && p.trusted.Matches(o)
}

// exempts reports whether a pattern of DangerouslyExempt matches r itself, not
// just a redirect to it, and its path is the same to every reader.
func (p *csrfPolicy) exempts(r *http.Request) bool {
	if p.exempt == nil || ambiguousPath(r.URL) {
		return false
	}
	h, _ := p.exempt.Handler(r)
	_, ok := h.(*exemption)
	return ok
}

// ambiguousPath reports whether a proxy or a file system may take the path of u for
// another one than [http.ServeMux] does: it has a backslash, an empty segment or a dot
// segment, plain or encoded, or is no UTF-8, in which a dot can be written too long.
func ambiguousPath(u *url.URL) bool {
	if !utf8.ValidString(u.Path) {
		return true
	}
	for _, path := range [...]string{u.Path, u.RawPath} {
		if strings.Contains(path, `\`) || strings.Contains(path, "//") || hidesSeparator(path) {
			return true
		}
		for segment := range strings.SplitSeq(path, "/") {
			segment, _, _ = strings.Cut(segment, ";") // a parameter, to some
			if segment == "." || segment == ".." {
				return true
			}
		}
	}
	return false
}

// hidesSeparator reports whether a dot, a slash or a backslash is encoded in path, once
// or, as in %252e, several times.
func hidesSeparator(path string) bool {
	for {
		_, rest, found := strings.Cut(path, "%")
		if !found {
			return false
		}
		path = rest
		for strings.HasPrefix(rest, "25") {
			rest = rest[2:]
		}
		switch strings.ToLower(rest[:min(2, len(rest))]) {
		case "2e", "2f", "5c":
			return true
		}
	}
}

// isHTTPS reports whether r is known to have come over https: by [Headers], else
// by the connection.
func isHTTPS(r *http.Request) bool {
	if scheme, ok := Scheme(r.Context()); ok {
		return scheme == "https"
	}
	return r.TLS != nil
}

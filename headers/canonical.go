package headers

import (
	"net/http"
	"strings"
)

// leadsToCanonical reports whether r, which would be served, is redirected to the
// canonical host. The names differ before and not after, so it happens once.
func (p *policy) leadsToCanonical(r *http.Request, d decision) bool {
	return p.canonical != "" && d.host.name != p.canonical && !d.host.isLoopback() &&
		unfit(r) == "" && len(r.Header["Origin"]) == 0 && // a script's, which fails at a redirect
		p.hosts.admits(p.onCanonical(d)) && !p.tellsCanonical(r.Header) &&
		(d.https || p.misled(r) == nil) // the redirect would lead a client of https to http
}

// onCanonical returns where the redirect leads: the port stays, as the scheme does.
func (p *policy) onCanonical(d decision) hostPort {
	if d.https && d.host.port == "443" || !d.https && d.host.port == "80" {
		return hostPort{p.canonical, ""}
	}
	return hostPort{p.canonical, d.host.port}
}

// tellsCanonical reports whether a proxy says that the client did ask for the canonical
// host: it has changed Host, and would do so again after a redirect. It need not be
// believed, as nobody gains by the redirect that does not happen.
func (p *policy) tellsCanonical(h http.Header) bool {
	for _, name := range [...]string{"X-Forwarded-Host", "X-Original-Host", "X-Host", "Forwarded"} {
		for _, line := range h[name] {
			for word := range strings.FieldsFuncSeq(line, func(c rune) bool { return strings.ContainsRune(` ,;="`, c) }) {
				if host, ok := parseHost(word); ok && host.name == p.canonical {
					return true
				}
			}
		}
	}
	return false
}

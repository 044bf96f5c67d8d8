package headers

import (
	"net/http"

	"github.com/ecolaura/rampart"
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
	if len(origins) == 1 && !p.trusted[origins[0]] && origins[0] != "null" {
		scheme, _, ok := parseOrigin(origins[0])
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

// exempts reports whether a pattern of DangerouslyExempt matches r itself, not
// just a redirect to it.
func (p *csrfPolicy) exempts(r *http.Request) bool {
	if p.exempt == nil {
		return false
	}
	h, _ := p.exempt.Handler(r)
	_, ok := h.(*exemption)
	return ok
}

// isHTTPS reports whether r is known to have come over https: by [Headers], else
// by the connection.
func isHTTPS(r *http.Request) bool {
	if scheme, ok := Scheme(r.Context()); ok {
		return scheme == "https"
	}
	return r.TLS != nil
}

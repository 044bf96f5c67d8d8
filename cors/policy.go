package cors

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/token"
	"github.com/ecolaura/rampart/internal/weborigin"
)

// maxMethod is the longest method that is granted under "*".
const maxMethod = 64

// A policy is a Config compiled for requests: immutable, and shared by all of
// them. The zero policy allows nobody.
type policy struct {
	errorHandler func(http.ResponseWriter, *http.Request, error) // nil: refusal
	logger       *slog.Logger
	reporter     *rampart.Reporter
	refusal      http.Handler

	everyone bool
	origins  weborigin.Matcher

	asker        *asker // nil: nobody is asked
	asksInsecure bool   // about insecure origins too

	credentials    bool
	privateNetwork bool
	enforce        bool
	debug          bool
	debugAnywhere  bool

	anyMethod bool
	methods   map[string]struct{} // beyond the safelisted

	anyHeader     bool
	authorization bool                // Authorization is listed
	headers       map[string]struct{} // in lower case
	longestHeader int

	expose string // Access-Control-Expose-Headers; "" sends none
	maxAge string // Access-Control-Max-Age; "" sends none
	status int    // of a granted preflight
}

// A decision is a verdict with the cause of a denial, which holds no
// allocation: most denials are counted and never printed.
type decision struct {
	Verdict

	reason rampart.Denial // "" if not denied
	value  string
	cause  error // of OriginUndecided
}

func (d *decision) err() error {
	if d.reason == "" {
		return nil
	}
	return &DeniedError{Reason: d.reason, Origin: d.Origin, Value: cut(d.value), Err: d.cause}
}

// cut bounds client text that outlives its request, and lets go of the rest.
func cut(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return strings.Clone(s[:limit])
}

// decide is the policy's word on r, whose Origin lines are given.
func (p *policy) decide(r *http.Request, lines []string) (d decision) {
	if len(lines) == 0 {
		return d
	}
	d.Kind = Actual
	if r.Method == http.MethodOptions && isPreflight(r.Header) {
		d.Kind = Preflight
	}
	p.judgeOrigin(&d, r, lines)
	if d.Kind == Preflight && d.Allowed {
		d.value, d.reason = p.preflightAllowed(r.Header)
		d.Allowed = d.reason == ""
	}
	return d
}

// isPreflight is for OPTIONS with an Origin.
func isPreflight(h http.Header) bool {
	methods := h["Access-Control-Request-Method"]
	return len(methods) > 1 || len(methods) == 1 && methods[0] != ""
}

func (p *policy) judgeOrigin(d *decision, r *http.Request, lines []string) {
	text := lines[0]
	switch {
	case p.everyone: // the response is the same for any Origin, so caches may share it
		if _, ok := weborigin.Parse(text); len(lines) == 1 && (ok || text == "null") {
			d.Origin = text
		}
		d.Allowed = true
	case len(lines) > 1: // a second line is somebody's attempt to be read twice
		d.reason, d.value = OriginMalformed, strings.Join(lines[:2], ", ")
	case p.origins.Listed(text):
		d.Origin, d.Allowed = text, true
	default:
		o, ok := weborigin.Parse(text)
		if !ok && text != "null" {
			d.reason, d.value = OriginMalformed, text
			return
		}
		d.Origin = text
		switch {
		case ok && p.origins.Matches(o):
			d.Allowed = true
		case d.Kind != Preflight && sameOrigin(r, o): // browsers send no preflight to their own origin
			d.Kind = SameOrigin
		default:
			d.reason, d.value = OriginNotAllowed, text
			if ok && p.asks(o) {
				p.ask(d, r)
			}
		}
	}
}

// asks reports whether OriginFunc may allow o. Any site can take a file: origin on.
func (p *policy) asks(o weborigin.Origin) bool {
	return p.asker != nil && o.Scheme() != "file://" && (p.asksInsecure || !o.Insecure())
}

// ask leaves a denial as it is if OriginFunc says no.
func (p *policy) ask(d *decision, r *http.Request) {
	d.Allowed, d.cause = p.asker.ask(r.Context(), d.Origin)
	switch {
	case d.cause != nil:
		d.reason = OriginUndecided
	case d.Allowed:
		d.reason, d.value = "", ""
	}
}

// sameOrigin reports whether r comes from a page of this server. A browser that
// sends Sec-Fetch-Site knows; of one that does not, Host says what it takes
// this server for. Sec-Fetch-Site comes first, because a page without a
// referrer sends "null" to its own server (Fetch, "append a request Origin
// header").
func sameOrigin(r *http.Request, o weborigin.Origin) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	own := o.HostPort()
	if own == "" || r.TLS != nil && o.Scheme() == "http://" { // a page over http is another origin, which the wire can write
		return false
	}
	return r.Host == own || o.Port() == "" && strings.HasPrefix(r.Host, own) && r.Host[len(own):] == weborigin.DefaultPort(o.Scheme())
}

// preflightAllowed judges what a preflight of an allowed origin asks for.
func (p *policy) preflightAllowed(h http.Header) (value string, reason rampart.Denial) {
	methods := h["Access-Control-Request-Method"]
	if wantsPrivateNetwork(h) && !p.privateNetwork {
		return "true", PrivateNetworkNotAllowed
	}
	if len(methods) > 1 || !p.methodAllowed(methods[0]) {
		return methods[0], MethodNotAllowed
	}
	return p.headersAllowed(h["Access-Control-Request-Headers"])
}

func wantsPrivateNetwork(h http.Header) bool {
	v := h["Access-Control-Request-Private-Network"]
	return len(v) == 1 && v[0] == "true"
}

func (p *policy) methodAllowed(method string) bool {
	if safelistedMethod(method) {
		return true
	}
	if p.anyMethod {
		return len(method) <= maxMethod && token.Valid(method) && !forbiddenMethod(method)
	}
	_, ok := p.methods[method]
	return ok
}

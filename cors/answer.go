package cors

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/respwriter"
)

const (
	allowOrigin         = "Access-Control-Allow-Origin"
	allowCredentials    = "Access-Control-Allow-Credentials"
	exposeHeaders       = "Access-Control-Expose-Headers"
	allowMethods        = "Access-Control-Allow-Methods"
	allowHeaders        = "Access-Control-Allow-Headers"
	allowPrivateNetwork = "Access-Control-Allow-Private-Network"
	maxAge              = "Access-Control-Max-Age"

	vary                    = "Vary"
	varyOrigin              = "Origin"
	varyAsked               = "Access-Control-Request-Method, Access-Control-Request-Headers"
	varyAskedPrivateNetwork = "Access-Control-Request-Private-Network"
)

// The response writers below set their headers before the handler runs, so that
// whoever answers after a panic has them too, and again just before the final
// header goes out: [httputil.ReverseProxy] clears the map after a backend's 1xx,
// and copies the backend's own CORS headers beside ours, where two values make
// browsers refuse. Ours stand alone.
//
// The values live in the writer itself: one allocation holds all that a request
// needs, and no slice in the header map is shared with another request. A
// handler that never asks for the map cannot have changed it, so Final is set
// only then, which spares the second look.

// A plain is the response writer of an answer that grants nothing.
type plain struct {
	respwriter.Writer

	policy *policy
	vary   [1]string
}

func (p *policy) newPlain(w http.ResponseWriter) *plain {
	a := &plain{Writer: respwriter.Writer{ResponseWriter: w}, policy: p}
	p.varyActual(w.Header(), &a.vary)
	return a
}

// Header implements [http.ResponseWriter].
func (a *plain) Header() http.Header {
	a.Final = a
	return a.ResponseWriter.Header()
}

// FinalHeader implements [respwriter.Finalizer].
func (a *plain) FinalHeader(h http.Header, _ int) {
	ours := a.policy.varyActual(h, &a.vary)
	if holdsOnly(h, ours) {
		return
	}
	delete(h, allowOrigin)
	delete(h, allowCredentials)
	delete(h, exposeHeaders)
	deletePreflightHeaders(h)
}

// holdsOnly says whether h holds so many headers, which are ours, and perhaps a
// Content-Type: then there is no CORS header of somebody else to look for.
func holdsOnly(h http.Header, ours int) bool {
	return len(h) == ours || len(h) == ours+1 && len(h["Content-Type"]) > 0
}

func deletePreflightHeaders(h http.Header) {
	delete(h, allowMethods)
	delete(h, allowHeaders)
	delete(h, allowPrivateNetwork)
	delete(h, maxAge)
}

// A granted is the response writer of an answer that its origin may read.
type granted struct {
	respwriter.Writer

	policy *policy
	origin string // of Access-Control-Allow-Origin
	values [3]string
	vary   [1]string
}

func (p *policy) newGranted(w http.ResponseWriter, origin string) *granted {
	a := &granted{Writer: respwriter.Writer{ResponseWriter: w}, policy: p, origin: origin}
	h := w.Header()
	a.grant(h)
	p.varyActual(h, &a.vary)
	return a
}

// Header implements [http.ResponseWriter].
func (a *granted) Header() http.Header {
	a.Final = a
	return a.ResponseWriter.Header()
}

// FinalHeader implements [respwriter.Finalizer].
func (a *granted) FinalHeader(h http.Header, _ int) {
	ours := a.grant(h) + a.policy.varyActual(h, &a.vary)
	if holdsOnly(h, ours) {
		return
	}
	if !a.policy.credentials {
		delete(h, allowCredentials)
	}
	if a.policy.expose == "" {
		delete(h, exposeHeaders)
	}
	deletePreflightHeaders(h)
}

// grant returns how many headers it set.
func (a *granted) grant(h http.Header) int {
	v, n := &a.values, 1
	v[0] = a.origin
	h[allowOrigin] = v[0:1:1]
	if a.policy.credentials {
		v[1] = "true"
		h[allowCredentials] = v[1:2:2]
		n++
	}
	if a.policy.expose != "" {
		v[2] = a.policy.expose
		h[exposeHeaders] = v[2:3:3]
		n++
	}
	return n
}

// varyActual names Origin on every answer, whoever asked: a cache must not give
// one origin's answer to another. Where everybody gets the same, there is
// nothing to name. The value lives in slot. It returns of how many headers it
// made sure.
func (p *policy) varyActual(h http.Header, slot *[1]string) int {
	if p.everyone {
		return 0
	}
	lines := h[vary]
	if len(lines) == 0 {
		slot[0] = varyOrigin
		h[vary] = slot[:]
	} else if !variesBy(lines, varyOrigin) {
		h[vary] = append(slices.Clip(lines), varyOrigin)
	}
	return 1
}

// variesBy says whether the lines of Vary hold name already, or everything.
func variesBy(lines []string, name string) bool {
	for _, line := range lines {
		if line == name {
			return true
		}
		for field := range strings.SplitSeq(line, ",") {
			if field = strings.Trim(field, " \t"); field == wildcard || strings.EqualFold(field, name) {
				return true
			}
		}
	}
	return false
}

// A preflightHeader holds the values of a granted preflight's headers, so that
// they cost one allocation together.
type preflightHeader struct {
	http.Header

	values [6]string
	n      int
}

func (h *preflightHeader) set(name, value string) {
	h.values[h.n] = value
	h.Header[name] = h.values[h.n : h.n+1 : h.n+1]
	h.n++
}

// grantPreflight answers a preflight that the policy covers. It names what was
// asked for and no more, so that nobody can list the policy by asking.
func (p *policy) grantPreflight(w http.ResponseWriter, r *http.Request) {
	h := &preflightHeader{Header: w.Header()}
	p.varyPreflight(h.Header)
	if p.everyone {
		h.set(allowOrigin, wildcard)
	} else {
		h.set(allowOrigin, r.Header["Origin"][0])
	}
	if p.credentials {
		h.set(allowCredentials, "true")
	}
	if method := r.Header["Access-Control-Request-Method"][0]; !safelistedMethod(method) {
		h.set(allowMethods, p.allowedMethod(method))
	}
	if lines := r.Header["Access-Control-Request-Headers"]; len(lines) > 0 {
		h.set(allowHeaders, p.allowedHeaders(lines))
	}
	if p.maxAge != "" {
		h.set(maxAge, p.maxAge)
	}
	if p.privateNetwork && wantsPrivateNetwork(r.Header) {
		h.set(allowPrivateNetwork, "true")
	}
	w.WriteHeader(p.status)
}

// allowedMethod names the method asked for. Without credentials "*" says the
// same and lets a browser remember the answer for the next method too; with
// them it would be the name of a method.
func (p *policy) allowedMethod(asked string) string {
	if p.anyMethod && !p.credentials {
		return wildcard
	}
	return asked
}

func (p *policy) allowedHeaders(asked []string) string {
	switch {
	case !p.anyHeader || p.credentials:
		if len(asked) == 1 {
			return asked[0]
		}
		return strings.Join(asked, ",")
	case p.authorization:
		return "*,authorization"
	default:
		return wildcard
	}
}

// varyPreflight is for caches that keep answers to OPTIONS.
func (p *policy) varyPreflight(h http.Header) {
	asked := varyOrigin + ", " + varyAsked
	switch {
	case p.everyone:
		asked = varyAsked
	case p.privateNetwork:
		asked = varyOrigin + ", " + varyAsked + ", " + varyAskedPrivateNetwork
	}
	h[vary] = append(slices.Clip(h[vary]), asked)
}

package cors

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/respwriter"
	"github.com/ecolaura/rampart/internal/token"
)

const (
	family = "Access-Control-" // of all CORS headers

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
// only then, or if an outer layer grants too, which spares the second look.

// A plain is the response writer of an answer that grants nothing.
type plain struct {
	respwriter.Writer

	everyone bool // nothing varies by origin
	asked    bool // the request has an Origin
	vary     [1]string
}

func (p *policy) newPlain(w http.ResponseWriter, asked bool) *plain {
	a := &plain{Writer: respwriter.Writer{ResponseWriter: w}, everyone: p.everyone, asked: asked}
	h := w.Header()
	if asked && granting(h) {
		a.Final = a
	}
	varyActual(h, a.everyone, &a.vary)
	return a
}

// Header implements [http.ResponseWriter].
func (a *plain) Header() http.Header {
	a.Final = a
	return a.Writer.Header()
}

// Unwrap is for [http.ResponseController]. It leads to the header map too.
func (a *plain) Unwrap() http.ResponseWriter {
	a.Final = a
	return a.ResponseWriter
}

// FinalHeader implements [respwriter.Finalizer].
func (a *plain) FinalHeader(h http.Header, _ int) {
	switch ours := varyActual(h, a.everyone, &a.vary); {
	case holdsOnly(h, ours):
	case a.asked:
		deleteFamily(h, nil)
	default:
		// No browser goes by the CORS headers of an answer to a request without
		// Origin, and Vary keeps caches from giving it to one with: no search.
		for _, name := range [...]string{
			allowOrigin, allowCredentials, exposeHeaders, allowMethods, allowHeaders, allowPrivateNetwork, maxAge,
		} {
			delete(h, name)
		}
	}
}

// granting reports whether h, before ours are in it, makes an answer readable.
func granting(h http.Header) bool {
	return len(h[allowOrigin]) > 0 || len(h[allowCredentials]) > 0
}

// holdsOnly reports whether h holds so many headers, which are ours, and perhaps a
// Content-Type: then there is no CORS header of somebody else to look for.
func holdsOnly(h http.Header, ours int) bool {
	return len(h) == ours || len(h) == ours+1 && len(h["Content-Type"]) > 0
}

// deleteFamily deletes every CORS header but those that an answer granted by p
// has. A name may be in any letters: net/http writes it as it stands in the map.
func deleteFamily(h http.Header, p *policy) {
	for name := range h {
		if len(name) > len(family) && name[0]|0x20 == 'a' && strings.EqualFold(name[:len(family)], family) && !p.sets(name) {
			delete(h, name)
		}
	}
}

// sets reports whether an actual answer granted by p has the header.
func (p *policy) sets(name string) bool {
	switch {
	case p == nil:
		return false
	case name == allowCredentials:
		return p.credentials
	case name == exposeHeaders:
		return p.expose != ""
	default:
		return name == allowOrigin
	}
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
	if granting(h) {
		a.Final = a
	}
	a.grant(h)
	varyActual(h, p.everyone, &a.vary)
	return a
}

// Header implements [http.ResponseWriter].
func (a *granted) Header() http.Header {
	a.Final = a
	return a.Writer.Header()
}

// Unwrap is for [http.ResponseController]. It leads to the header map too.
func (a *granted) Unwrap() http.ResponseWriter {
	a.Final = a
	return a.ResponseWriter
}

// FinalHeader implements [respwriter.Finalizer].
func (a *granted) FinalHeader(h http.Header, _ int) {
	if ours := a.grant(h) + varyActual(h, a.policy.everyone, &a.vary); !holdsOnly(h, ours) {
		deleteFamily(h, a.policy)
	}
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
func varyActual(h http.Header, everyone bool, slot *[1]string) int {
	if everyone {
		return 0
	}
	lines := h[vary]
	if len(lines) == 0 {
		slot[0] = varyOrigin
		h[vary] = slot[:]
	} else if !token.Listed(lines, varyOrigin) && !token.Listed(lines, wildcard) {
		h[vary] = append(slices.Clip(lines), varyOrigin)
	}
	return 1
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
	deleteFamily(h.Header, nil) // an outer layer's
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

package cors

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/request"
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

// The layers of a response: the values of its headers, which no other response
// shares. A handler does not see them: what a backend or a handler sets of its own
// goes, since browsers refuse two values, and ours stand alone.
type (
	plain struct { // grants nothing
		request.Base
		everyone bool // gets the same
		vary     [1]string
	}
	granted struct {
		request.Base
		policy *policy
		values [4]string // the first is that of Access-Control-Allow-Origin, the last that of Vary
	}
)

func (p *policy) plain(w http.ResponseWriter, r *http.Request) request.Place {
	a, place := request.Join[plain](w, r, request.CORS)
	a.everyone = p.everyone
	return place
}

func (p *policy) granted(w http.ResponseWriter, r *http.Request, origin string) request.Place {
	a, place := request.Join[granted](w, r, request.CORS)
	a.policy, a.values[0] = p, origin
	return place
}

// Final implements [request.Layer]. Every response has Vary, that to a request without
// Origin too: a cache must not give one origin's response to another.
func (a *plain) Final(_ *request.Writer, h http.Header, _ int, look request.Look) {
	if look != request.Quiet {
		deleteFamily(h)
	}
	if !a.everyone {
		request.AddVary(h, varyOrigin, &a.vary)
	}
}

// Final implements [request.Layer].
func (a *granted) Final(_ *request.Writer, h http.Header, _ int, look request.Look) {
	if look != request.Quiet {
		deleteFamily(h)
	}
	v := &a.values
	h[allowOrigin] = v[0:1:1]
	if a.policy.credentials {
		v[1] = "true"
		h[allowCredentials] = v[1:2:2]
	}
	if a.policy.expose != "" {
		v[2] = a.policy.expose
		h[exposeHeaders] = v[2:3:3]
	}
	if !a.policy.everyone {
		request.AddVary(h, varyOrigin, (*[1]string)(v[3:]))
	}
}

// deleteFamily deletes every CORS header. A name may be in any letters: net/http
// writes it as it stands in the map.
func deleteFamily(h http.Header) {
	for name := range h {
		if len(name) > len(family) && name[0]|0x20 == 'a' && strings.EqualFold(name[:len(family)], family) {
			delete(h, name)
		}
	}
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

// grantPreflight responds to a preflight that the policy covers. It names what was
// asked for and no more, so that nobody can list the policy by asking.
func (p *policy) grantPreflight(w http.ResponseWriter, r *http.Request) {
	h := &preflightHeader{Header: w.Header()}
	deleteFamily(h.Header) // an outer layer's
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
// same and lets a browser remember the response for the next method too; with
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

// varyPreflight is for caches that keep responses to OPTIONS.
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

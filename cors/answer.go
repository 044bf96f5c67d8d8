package cors

import (
	"net/http"
	"strings"

	"github.com/ecolaura/rampart/internal/respwriter"
)

const (
	allowOrigin         = "Access-Control-Allow-Origin"
	allowCredentials    = "Access-Control-Allow-Credentials" //nolint:gosec // a header name
	exposeHeaders       = "Access-Control-Expose-Headers"
	allowMethods        = "Access-Control-Allow-Methods"
	allowHeaders        = "Access-Control-Allow-Headers"
	allowPrivateNetwork = "Access-Control-Allow-Private-Network"
	maxAge              = "Access-Control-Max-Age"

	vary                    = "Vary"
	varyOrigin              = "Origin"
	varyAsked               = "Access-Control-Request-Method, Access-Control-Request-Headers"
	varyAskedPrivateNetwork = varyAsked + ", Access-Control-Request-Private-Network"
)

// An answer is the response writer of one actual request. Its headers are set
// before the handler runs, so that whoever answers after a panic has them too,
// and again just before the final header goes out: [httputil.ReverseProxy]
// clears the map after a backend's 1xx, and copies the backend's own CORS
// headers beside ours, where two values make browsers refuse. Ours stand
// alone.
//
// The values live in the answer itself: one allocation holds them all, and no
// slice in the header map is shared with another request.
type answer struct {
	respwriter.Writer

	policy *policy
	origin string // of Access-Control-Allow-Origin; "" grants nothing
	values [4]string
}

func (p *policy) newAnswer(w http.ResponseWriter, origin string) *answer {
	a := &answer{policy: p, origin: origin}
	a.ResponseWriter, a.Final = w, a
	return a
}

// begin sets the headers that the handler finds.
func (a *answer) begin() {
	h := a.Header()
	if a.origin != "" {
		a.grant(h)
	}
	a.vary(h)
}

// FinalHeader implements [respwriter.Finalizer].
func (a *answer) FinalHeader(h http.Header, _ int) {
	if a.origin != "" {
		a.grant(h)
		if !a.policy.credentials {
			delete(h, allowCredentials)
		}
		if a.policy.expose == "" {
			delete(h, exposeHeaders)
		}
	} else {
		delete(h, allowOrigin)
		delete(h, allowCredentials)
		delete(h, exposeHeaders)
	}
	delete(h, allowMethods)
	delete(h, allowHeaders)
	delete(h, allowPrivateNetwork)
	delete(h, maxAge)
	a.vary(h)
}

func (a *answer) grant(h http.Header) {
	v := &a.values
	v[0] = a.origin
	h[allowOrigin] = v[0:1:1]
	if a.policy.credentials {
		v[1] = "true"
		h[allowCredentials] = v[1:2:2]
	}
	if a.policy.expose != "" {
		v[2] = a.policy.expose
		h[exposeHeaders] = v[2:3:3]
	}
}

// vary names Origin on every answer, whoever asked: a cache must not give one
// origin's answer to another. Where everybody gets the same, there is nothing
// to name.
func (a *answer) vary(h http.Header) {
	if a.policy.everyone {
		return
	}
	lines := h[vary]
	switch {
	case len(lines) == 0:
		a.values[3] = varyOrigin
		h[vary] = a.values[3:4:4]
	case !variesBy(lines, varyOrigin):
		h[vary] = append(lines[:len(lines):len(lines)], varyOrigin)
	}
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

// grantPreflight answers a preflight that the policy covers. It names what was
// asked for and no more, so that nobody can list the policy by asking.
func (p *policy) grantPreflight(w http.ResponseWriter, r *http.Request) {
	var v [5]string
	values := v[:0:len(v)]
	h := w.Header()
	set := func(name, value string) {
		values = append(values, value)
		n := len(values)
		h[name] = values[n-1 : n : n]
	}
	set(allowOrigin, p.allowedOrigin(r.Header["Origin"][0]))
	if p.credentials {
		set(allowCredentials, "true")
	}
	if method := r.Header["Access-Control-Request-Method"][0]; !safelistedMethod(method) {
		set(allowMethods, p.allowedMethod(method))
	}
	if lines := r.Header["Access-Control-Request-Headers"]; len(lines) > 0 {
		set(allowHeaders, p.allowedHeaders(lines))
	}
	if p.maxAge != "" {
		set(maxAge, p.maxAge)
	}
	if p.privateNetwork && wantsPrivateNetwork(r.Header) {
		h[allowPrivateNetwork] = []string{"true"}
	}
	w.WriteHeader(p.status)
}

func (p *policy) allowedOrigin(asked string) string {
	if p.everyone {
		return wildcard
	}
	return asked
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
	asked := varyAsked
	if p.privateNetwork {
		asked = varyAskedPrivateNetwork
	}
	if !p.everyone {
		asked = varyOrigin + ", " + asked
	}
	lines := h[vary]
	h[vary] = append(lines[:len(lines):len(lines)], asked)
}

package rampart

import (
	"net/http"

	"github.com/ecolaura/rampart/internal/request"
)

// A Credential is a layer that says who calls, by one kind of credential: an
// auth.Verifier or apikey.Keys.
type Credential interface {
	// Present reports whether the request carries this kind, good or bad.
	Present(r *http.Request) bool

	// Handler lets requests in that carry a good one, Optional also those that
	// carry none.
	Handler(next http.Handler) http.Handler
	Optional(next http.Handler) http.Handler

	// Refuse logs and answers a request that err keeps out.
	Refuse(w http.ResponseWriter, r *http.Request, err error)

	// Challenge is the WWW-Authenticate of a request without a credential.
	Challenge() string
}

// Credentials are the kinds of which a request may carry one:
//
//	rampart.Credentials{verifier, keys}.Handler
//
// Whichever it carries must be good: a bad token is refused although there is no
// key. Two at once are refused too, since nobody can say which of them another
// server on the way went by. Without any Credential every request is refused.
type Credentials []Credential

// Denials of a request with another number of credentials than one.
const (
	CredentialMissing   Denial = "missing"
	CredentialAmbiguous Denial = "ambiguous"
)

// Handler lets requests in that carry one good credential; [CallerFrom] says
// whose it is.
func (cs Credentials) Handler(next http.Handler) http.Handler {
	return cs.layer(next, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { cs.refuse(w, r, CredentialMissing) }))
}

// Optional lets those in too that carry none: they are anonymous.
func (cs Credentials) Optional(next http.Handler) http.Handler {
	refuse := func(w http.ResponseWriter, r *http.Request, _ []string) { cs.refuse(w, r, CredentialMissing) }
	return cs.layer(next, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, request.Anonymous(r, refuse))
	}))
}

func (cs Credentials) layer(next, none http.Handler) http.Handler {
	one := make([]http.Handler, len(cs))
	for i, c := range cs {
		inner := next
		for j, other := range cs {
			if j != i {
				inner = other.Optional(inner) // it says by which headers the response varies
			}
		}
		one[i] = c.Handler(inner)
		none = c.Optional(none)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, found := none, 0
		for i, c := range cs {
			if c.Present(r) {
				h = one[i]
				found++
			}
		}
		if found > 1 {
			cs.refuse(w, r, CredentialAmbiguous)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (cs Credentials) refuse(w http.ResponseWriter, r *http.Request, reason Denial) {
	err := &credentialError{reason: reason}
	for _, c := range cs {
		err.challenges = append(err.challenges, c.Challenge())
	}
	if len(cs) == 0 {
		err.Problem().Write(w)
		return
	}
	cs[0].Refuse(w, r, err)
}

// credentialError is a [Refusal] of none of the kinds.
type credentialError struct {
	reason     Denial
	challenges []string
}

func (e *credentialError) Error() string  { return "rampart: credentials: " + string(e.reason) }
func (e *credentialError) Denial() Denial { return e.reason }

func (e *credentialError) Problem() *Problem {
	p := unauthenticated(e.challenges)
	if e.reason == CredentialAmbiguous {
		p.Code, p.Detail = "ambiguous_credentials", "Send one credential, not several."
	}
	return p
}

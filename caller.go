package rampart

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/internal/request"
)

// Kinds of a [Caller], by the credential that the request carries.
const (
	KindToken = "token" // package auth
	KindKey   = "key"   // package apikey
)

// A Caller is who a request comes from, whatever its credential. It is a value:
// a change reaches no other request.
type Caller struct {
	Kind    string // [KindToken], [KindKey] or a word of your own
	Issuer  string // of a token, its iss; empty where tokens name none, as simplejwt's
	Subject string // of a token, or the owner of a key
	Scope   string // the scopes, separated by spaces (RFC 8693 section 4.2)
	ID      string // of the token (its jti) or of the key
}

// Key tells c apart from every other caller: limits, logs and stores use it. It
// is made of Kind, Issuer and Subject: two issuers' subjects "42" are two callers.
// A key's owner and a token's subject are different callers even if their names
// are equal; if they are the same user, map one to the other with [WithCaller]. A
// caller without a Subject is identified by its ID, so it needs one.
func (c Caller) Key() string {
	// Lengths keep the parts from running into one another.
	if c.Subject == "" {
		return "id:" + c.Kind + ":" + c.ID
	}
	return strconv.Itoa(len(c.Kind)) + ":" + c.Kind + strconv.Itoa(len(c.Issuer)) + ":" + c.Issuer + c.Subject
}

// Scopes iterates over c's scopes. Only the ASCII space separates them (RFC 6749
// section 3.3), so "a\u00a0b" is one scope.
func (c Caller) Scopes() iter.Seq[string] {
	return strings.FieldsFuncSeq(c.Scope, func(r rune) bool { return r == ' ' })
}

// HasScope reports whether c has the scope s. Nobody has the scope "".
func (c Caller) HasScope(s string) bool {
	for have := range c.Scopes() {
		if have == s {
			return true
		}
	}
	return false
}

// CallerFrom returns the caller that a credential layer authenticated. It returns
// false outside such a layer and for an anonymous request.
func CallerFrom(ctx context.Context) (Caller, bool) {
	if c := request.CredentialFrom(ctx); c != nil {
		var caller Caller
		switch holder := c.Holder.(type) {
		case Caller:
			caller = holder
		case interface{ Caller() Caller }:
			caller = holder.Caller()
		}
		return caller, caller != Caller{}
	}
	return Caller{}, false
}

// WithCaller returns a context in which c is the caller: for a layer that maps
// callers, such as the owner of a key to the user of that name, and for tests of a
// handler by itself. Around a credential layer it has no effect.
func WithCaller(ctx context.Context, c Caller) context.Context {
	var refuse request.Refuse
	if around := request.CredentialFrom(ctx); around != nil {
		refuse = around.Refuse
	}
	return request.WithCredential(ctx, nil, c, refuse)
}

// RequireScope returns a layer that serves callers who have all the scopes. Use it
// inside a credential layer, which writes the refusal: 401 without a caller, 403
// if a scope is missing. No caller has the scope "".
func RequireScope(scope string, more ...string) func(http.Handler) http.Handler {
	need := append([]string{scope}, more...)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, ok := CallerFrom(r.Context())
			if ok && !slices.ContainsFunc(need, func(s string) bool { return !caller.HasScope(s) }) {
				next.ServeHTTP(w, r)
				return
			}
			missing := need
			if !ok {
				missing = nil
			}
			if c := request.CredentialFrom(r.Context()); c != nil && c.Refuse != nil {
				c.Refuse(w, r, missing)
				return
			}
			refuseScope(w, r, ok)
		})
	}
}

// refuseScope refuses where no layer around says how.
func refuseScope(w http.ResponseWriter, r *http.Request, known bool) {
	p := &Problem{Status: http.StatusForbidden, Code: "insufficient_scope", Detail: "You do not have permission to perform this action."}
	if !known {
		p = unauthenticated([]string{"Bearer"})
	}
	(*Reporter)(nil).Refused(r, AuthzFail, "", slog.String("reason", p.Code))
	p.Write(w)
}

// unauthenticated is the response to a request without a credential, in the words
// of Django REST framework. A 401 names what would help (RFC 9110 section 11.6.1).
func unauthenticated(challenges []string) *Problem {
	return &Problem{
		Status: http.StatusUnauthorized, Code: "not_authenticated", Detail: "Authentication credentials were not provided.",
		Header: http.Header{"Www-Authenticate": challenges},
	}
}

// A Credential is a layer that says who calls, by one kind of credential: an
// auth.Verifier or apikey.Keys.
type Credential interface {
	// Present reports whether the request carries this kind, good or bad.
	Present(r *http.Request) bool

	// Handler accepts only requests with a valid credential. Optional also
	// accepts requests without one.
	Handler(next http.Handler) http.Handler
	Optional(next http.Handler) http.Handler

	// Refuse logs and responds to a request that err keeps out.
	Refuse(w http.ResponseWriter, r *http.Request, err error)

	// Challenge is the WWW-Authenticate of a request without a credential.
	Challenge() string
}

// Credentials are the kinds of which a request may carry one:
//
//	rampart.Credentials{verifier, keys}.Handler
//
// The one that it carries must be valid. A request with two credentials is refused,
// because another server on the way may have used the other one; each kind must
// therefore come from a different place, such as a cookie, a bearer token or
// X-API-Key. Without any Credential every request is refused. Credentials' own
// denials are "missing" and "ambiguous".
type Credentials []Credential

// Handler accepts requests with exactly one credential, which must be valid;
// [CallerFrom] returns its caller.
func (cs Credentials) Handler(next http.Handler) http.Handler {
	cs = slices.Clone(cs)
	return cs.layer(next, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { cs.refuse(w, r, "missing") }))
}

// Optional also accepts requests without a credential: they are anonymous.
func (cs Credentials) Optional(next http.Handler) http.Handler {
	cs = slices.Clone(cs)
	refuse := func(w http.ResponseWriter, r *http.Request, _ []string) { cs.refuse(w, r, "missing") }
	return cs.layer(next, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request.ServeAs(next, w, r, nil, nil, refuse)
	}))
}

const ambiguous Denial = "ambiguous"

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
			cs.refuse(w, r, ambiguous)
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
	if len(cs) > 0 {
		cs[0].Refuse(w, r, err)
		return
	}
	err.challenges = []string{"Bearer"}
	(*Reporter)(nil).Refused(r, AuthzFail, "", slog.String("reason", string(reason)))
	err.Problem().Write(w)
}

// credentialError is the [Refusal] of a request with no credential, or with several.
type credentialError struct {
	reason     Denial
	challenges []string
}

func (e *credentialError) Error() string  { return "rampart: credentials: " + string(e.reason) }
func (e *credentialError) Denial() Denial { return e.reason }

func (e *credentialError) Problem() *Problem {
	p := unauthenticated(e.challenges)
	if e.reason == ambiguous {
		p.Code, p.Detail = "ambiguous_credentials", "Send one credential, not several."
	}
	return p
}

package request

import (
	"context"
	"net/http"
)

// A Credential is what a layer learned of who calls, and how that layer refuses.
// It is the context that carries it: one allocation for each request.
type Credential struct {
	context.Context //nolint:containedctx // it is a context

	Holder any    // such as an *auth.Token; nil: the request came without
	Refuse Refuse // nil: nobody says how

	key any
}

// Refuse logs and responds to a request whose caller lacks one of the scopes; with
// none, one that has no caller.
type Refuse = func(w http.ResponseWriter, r *http.Request, scopes []string)

type credentialKey struct{}

// WithCredential returns a context for which [CredentialFrom] returns a
// Credential of holder and refuse; holder also stands under a key of the layer's
// own.
func WithCredential(ctx context.Context, key, holder any, refuse Refuse) context.Context {
	return &Credential{Context: ctx, Holder: holder, Refuse: refuse, key: key}
}

// ServeAs has next respond to a copy of r with that context. Nobody else gets the
// copy: with r alone a handler has no more rights than before.
func ServeAs(next http.Handler, w http.ResponseWriter, r *http.Request, key, holder any, refuse Refuse) {
	c := new(struct {
		Credential
		r http.Request
	})
	c.Credential = Credential{Context: r.Context(), Holder: holder, Refuse: refuse, key: key}
	c.r = *r.WithContext(&c.Credential) //nolint:contextcheck // it wraps that of r; inlined, so that it is part of c
	ServeCopy(next, w, r, &c.r)
}

// ServeWithout has next respond to r for a layer that found no credential. What a
// layer of the same kind further out put under key is hidden: this request did not
// bring it to us. Who another kind says calls stays; if nobody says, refuse is how a
// scope is asked for.
func ServeWithout(next http.Handler, w http.ResponseWriter, r *http.Request, key any, refuse Refuse) {
	ctx := r.Context()
	outer := ctx.Value(key)
	switch c := CredentialFrom(ctx); {
	case c == nil || c.Holder == nil || c.Holder == outer:
		ServeAs(next, w, r, key, nil, refuse)
	case outer == nil:
		next.ServeHTTP(w, r)
	default:
		ServeCopy(next, w, r, r.WithContext(context.WithValue(ctx, key, nil)))
	}
}

// ServeCopy has next respond to inner, a copy of r, and gives back to r what belongs
// further out: the form that was read and the pattern.
func ServeCopy(next http.Handler, w http.ResponseWriter, r, inner *http.Request) {
	returned := false
	defer func() { giveBack(r, inner, returned) }()
	next.ServeHTTP(w, inner)
	returned = true
}

// Value implements [context.Context].
func (c *Credential) Value(key any) any {
	switch key {
	case c.key:
		return c.Holder
	case credentialKey{}:
		return c
	default:
		return c.Context.Value(key)
	}
}

// CredentialFrom returns the innermost credential of ctx; nil without one.
func CredentialFrom(ctx context.Context) *Credential {
	c, _ := ctx.Value(credentialKey{}).(*Credential)
	return c
}

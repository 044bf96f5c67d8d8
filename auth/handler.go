package auth

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"github.com/ecolaura/rampart"
)

// Handler serves requests with a good access token by next, which finds it with
// [FromContext]; all others get 401, or 503 while tokens cannot be checked.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := v.Check(r)
		if err != nil {
			v.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, withToken(r, t))
	})
}

// Optional is [Verifier.Handler] that also serves requests without any token:
// they are anonymous, [FromContext] finds nothing. A bad token is still 401.
func (v *Verifier) Optional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := v.Check(r)
		if te, ok := errors.AsType[*TokenError](err); ok && te.Reason == TokenMissing {
			next.ServeHTTP(w, withToken(r, nil))
			return
		}
		if err != nil {
			v.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, withToken(r, t))
	})
}

// withToken puts t, which may be nil, in the place of any token of a layer
// further out.
func withToken(r *http.Request, t *Token) *http.Request {
	if t == nil {
		if _, ok := FromContext(r.Context()); !ok {
			return r
		}
		return r.WithContext(context.WithValue(r.Context(), tokenKey{}, nil))
	}
	return r.WithContext(context.WithValue(r.Context(), tokenKey{}, t))
}

// RequireScope serves requests whose token has all the given scopes; others get
// 403, and requests without a token 401. It stands inside [Verifier.Handler] or
// [Verifier.Optional]. The scope "" is never had.
func (v *Verifier) RequireScope(scope string, more ...string) func(http.Handler) http.Handler {
	need := append([]string{scope}, more...)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, ok := FromContext(r.Context())
			if !ok {
				v.refuse(w, r, refused(TokenMissing))
				return
			}
			if slices.ContainsFunc(need, func(s string) bool { return !t.HasScope(s) }) {
				v.refuse(w, r, &TokenError{Reason: TokenScope, scopes: need})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// refuse logs and answers a request that is not let in.
func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err error) {
	te, ok := errors.AsType[*TokenError](err)
	if !ok { // whoever cannot say is not believed
		te = &TokenError{Reason: TokenUnverified, Err: err}
	}
	if v != nil {
		v.report(r, te)
	}
	if v == nil || v.errorHandler == nil {
		te.Problem().Write(w)
		return
	}
	maps.Copy(w.Header(), te.Problem().Header)
	v.errorHandler(w, r, err)
}

func (v *Verifier) report(r *http.Request, te *TokenError) {
	switch {
	case te.Reason == TokenUnverified && r.Context().Err() != nil: // the client is gone, not the backend
	case te.Reason == TokenUnverified:
		v.reporter.Refused(r, rampart.SysBackendUnavailable, "auth", rampart.Text("error", te.Error()))
	default:
		attrs := []slog.Attr{slog.String("reason", string(te.Reason))}
		if t, ok := FromContext(r.Context()); ok {
			attrs = append(attrs, rampart.Text("subject", t.subject))
		}
		if te.Got != "" || te.Want != "" {
			attrs = append(attrs, rampart.Text("got", te.Got), rampart.Text("want", te.Want))
		}
		v.reporter.Refused(r, rampart.AuthzFail, "", attrs...)
	}
}

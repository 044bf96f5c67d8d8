package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

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
				v.refuse(w, r, &scopeError{TokenError{Reason: TokenScope}, need})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// scopeError carries the scopes that are needed to the header of the answer.
type scopeError struct {
	TokenError
	need []string
}

func (e *scopeError) Unwrap() error { return &e.TokenError }

// refuse logs and answers a request that is not let in.
func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if v == nil || v.errorHandler == nil { // zero Verifier
		v.answer(w, r, err)
		return
	}
	reason := TokenUnverified
	if te, ok := errors.AsType[*TokenError](err); ok {
		reason = te.Reason
	}
	switch {
	case reason == TokenUnverified && r.Context().Err() != nil: // the client is gone, not the backend
	case reason == TokenUnverified:
		v.reporter.Refused(r, rampart.SysBackendUnavailable, "auth", rampart.Text("error", err.Error()))
	default:
		attrs := []slog.Attr{slog.String("reason", string(reason))}
		if t, ok := FromContext(r.Context()); ok {
			attrs = append(attrs, rampart.Text("subject", t.subject))
		}
		v.reporter.Refused(r, rampart.AuthzFail, "", attrs...)
	}
	setChallenge(w, err)
	v.errorHandler(w, r, err)
}

// setChallenge sets WWW-Authenticate as RFC 6750 section 3 has it: no error code
// for a request without a token, and invalid_request for one whose credentials
// are malformed or repeated. Section 3.1 would have 400 for the latter; it stays
// 401, as simplejwt answers it: clients log in anew on a 401.
func setChallenge(w http.ResponseWriter, err error) {
	challenge := `Bearer realm="api"`
	te, _ := errors.AsType[*TokenError](err)
	switch {
	case te == nil || te.Reason == TokenUnverified:
		return
	case te.Reason == TokenMissing:
	case te.Reason == TokenScope:
		challenge += `, error="insufficient_scope"`
		if se, ok := errors.AsType[*scopeError](err); ok && !slices.ContainsFunc(se.need, func(s string) bool { return !isScope(s) }) {
			challenge += `, scope="` + strings.Join(se.need, " ") + `"`
		}
	case te.Reason == TokenSource:
		challenge += `, error="invalid_request"`
	default:
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
}

package auth

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
)

// Handler serves requests with a good access token by next, which finds it with
// [FromContext]; all others get 401, or 503 while tokens cannot be checked.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := v.Check(r)
		if err != nil {
			v.Refuse(w, r, err)
			return
		}
		request.ServeAs(next, w, r, tokenKey{}, t, v.refuseScope)
	})
}

// Optional is [Verifier.Handler] that also serves requests without any token:
// they are anonymous, [FromContext] finds nothing. A bad token is still 401.
func (v *Verifier) Optional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := v.Check(r)
		if te, ok := errors.AsType[*TokenError](err); ok && te.Reason == TokenMissing {
			request.ServeWithout(next, w, r, tokenKey{}, v.refuseScope)
			return
		}
		if err != nil {
			v.Refuse(w, r, err)
			return
		}
		request.ServeAs(next, w, r, tokenKey{}, t, v.refuseScope)
	})
}

// NewContext returns a context in which [FromContext] finds t, for a handler's
// own tests.
func NewContext(ctx context.Context, t *Token) context.Context {
	return request.WithCredential(ctx, tokenKey{}, t, nil)
}

// Present implements [rampart.Credential].
func (v *Verifier) Present(r *http.Request) bool {
	if v == nil || v.source == nil {
		return true // the zero Verifier refuses
	}
	_, err := v.source(r)
	return !errors.Is(err, ErrNoToken)
}

// Challenge implements [rampart.Credential].
func (v *Verifier) Challenge() string { return plainChallenge }

// refuseForScope is how [rampart.RequireScope] refuses.
func (v *Verifier) refuseForScope(w http.ResponseWriter, r *http.Request, scopes []string) {
	if len(scopes) == 0 {
		v.Refuse(w, r, refused(TokenMissing))
		return
	}
	v.Refuse(w, r, &TokenError{Reason: TokenScope, scopes: scopes})
}

// Refuse implements [rampart.Credential]: it logs a request that err keeps out,
// an error of [Verifier.Check], and responds to it by the ErrorHandler.
func (v *Verifier) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[rampart.Refusal](err)
	if !ok { // an error of another kind is an outage
		refusal = &TokenError{Reason: TokenUnverified, Err: err}
		err = refusal
	}
	if v == nil || v.reporter == nil { // zero Verifier
		refusal.Problem().Write(w)
		return
	}
	v.report(r, refusal)
	if v.errorHandler == nil {
		rampart.WriteError(w, err)
		return
	}
	maps.Copy(w.Header(), refusal.Problem().Header.Clone())
	v.errorHandler(w, r, err)
}

func (v *Verifier) report(r *http.Request, refusal rampart.Refusal) {
	switch unverified := refusal.Denial() == TokenUnverified; {
	case unverified && r.Context().Err() != nil: // the client is gone, not the backend
	case unverified:
		v.reporter.Refused(r, rampart.SysBackendUnavailable, "auth", rampart.Text("error", refusal.Error()))
	default:
		attrs := []slog.Attr{slog.String("reason", string(refusal.Denial()))}
		if t, ok := FromContext(r.Context()); ok {
			attrs = append(attrs, rampart.Text("subject", t.subject))
		}
		if te, ok := refusal.(*TokenError); ok {
			attrs = te.attrs(attrs)
		}
		if field := setting(refusal.Denial()); field != "" {
			attrs = append(attrs, slog.String("setting", field))
		}
		v.reporter.Refused(r, rampart.AuthzFail, "", attrs...)
	}
}

// attrs adds what the log says of a refusal, and the client is not told.
func (e *TokenError) attrs(attrs []slog.Attr) []slog.Attr {
	if e.Claim != "" {
		attrs = append(attrs, rampart.Text("claim", e.Claim))
	}
	if e.Got+e.Want != "" {
		attrs = append(attrs, rampart.Text("got", e.Got), rampart.Text("want", e.Want))
	}
	if e.Err != nil {
		attrs = append(attrs, rampart.Text("error", e.Err.Error()))
	}
	return attrs
}

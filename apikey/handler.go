package apikey

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"

	"github.com/ecolaura/rampart"
)

// Check returns the caller of r. A refusal is an [*Error], with
// [KeyMissing] if r holds no key at all. It neither logs nor answers.
func (ks *Keys) Check(r *http.Request) (*Caller, error) {
	if ks.store == nil {
		return nil, unavailable("", errZero)
	}
	text, reason := ks.present(r)
	if reason != "" {
		return nil, &Error{Reason: reason, challenge: ks.challenge}
	}
	caller, err := ks.Verify(r.Context(), text, ks.addr(r))
	if e, ok := errors.AsType[*Error](err); ok {
		own := *e
		own.challenge = ks.challenge
		return nil, &own
	}
	return caller, err
}

// present returns the one key in the headers of r. Of two, no one can say
// which another server on the way has looked at.
func (ks *Keys) present(r *http.Request) (text string, reason rampart.Denial) {
	found := 0
	for _, s := range ks.sources {
		lines := r.Header[s.name]
		for _, line := range lines {
			if t, ok := s.cut(line); ok {
				text = t
				found += len(lines) // another scheme beside ours is one too many, too
			}
		}
	}
	switch found {
	case 0:
		return "", KeyMissing
	case 1:
		return text, ""
	default:
		return "", KeyDuplicate
	}
}

// Handler returns a handler that serves requests with a valid key with next,
// which learns of the caller from [FromContext].
func (ks *Keys) Handler(next http.Handler) http.Handler { return ks.layer(next, false) }

// Optional is [Keys.Handler] that serves requests without any key, too. A bad
// key is still refused: its sender should learn of it.
func (ks *Keys) Optional(next http.Handler) http.Handler { return ks.layer(next, true) }

func (ks *Keys) layer(next http.Handler, optional bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ks.vary != "" {
			w.Header().Add("Vary", ks.vary)
		}
		caller, err := ks.Check(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
		case optional && is(err, KeyMissing):
			next.ServeHTTP(w, r)
		default:
			ks.turnAway(w, r, err)
		}
	})
}

func is(err error, reason rampart.Denial) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == reason
}

// RequireScope returns a layer, for inside [Keys.Handler], that serves callers
// who have all the scopes. The scope "" is never had. A request without a
// caller is answered as one without a key.
func (ks *Keys) RequireScope(scope string, more ...string) func(http.Handler) http.Handler {
	scopes := append([]string{scope}, more...)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, ok := FromContext(r.Context())
			switch {
			case !ok:
				ks.turnAway(w, r, &Error{Reason: KeyMissing, challenge: ks.challenge})
			case slices.ContainsFunc(scopes, func(s string) bool { return !caller.HasScope(s) }):
				ks.turnAway(w, r, &Error{Reason: KeyScope, KeyID: caller.ID()})
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// turnAway logs a refusal and answers it.
func (ks *Keys) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	e, _ := errors.AsType[*Error](err) // each error here is one
	attrs := []slog.Attr{slog.String("kind", kind), slog.String("reason", string(e.Reason))}
	if e.KeyID != "" {
		attrs = append(attrs, slog.String("key_id", e.KeyID))
	}
	// Refusals of a key that exists fold by its id; guesses at others by the
	// address they come from, as every guess has an id of its own.
	fold := string(e.Reason) + " " + e.KeyID
	event := rampart.AuthnLoginFail
	switch e.Reason {
	case KeyMissing, KeyDuplicate, KeyMalformed, KeyUnknown:
		fold = string(e.Reason) + " " + ks.addr(r).String()
	case KeyScope:
		event = rampart.AuthzFail
	case KeyUnavailable:
		event, fold = rampart.SysBackendUnavailable, kind
		attrs = append(attrs, rampart.Text("error", e.cause.Error()))
	default:
	}
	if r.Context().Err() == nil || e.Reason != KeyUnavailable { // a client that hangs up is no outage
		ks.rep.Refused(r, event, fold, attrs...)
	}
	if ks.errorHandler == nil {
		e.Problem().Write(w)
		return
	}
	ks.errorHandler(w, r, err)
}

func outage() *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "Service temporarily unavailable, try again later.",
		Header: http.Header{"Retry-After": {"1"}},
	}
}

// addr returns the address of r's client.
func (ks *Keys) addr(r *http.Request) netip.Addr {
	if ks.clientIP == nil { // zero Keys
		return rampart.PeerAddr(r)
	}
	return ks.clientIP(r)
}

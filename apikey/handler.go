package apikey

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
)

// Check returns the caller of r. A refusal is an [*Error], with
// [KeyMissing] if r holds no key at all. It neither logs nor responds.
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
	checked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := ks.Check(r)
		switch {
		case err == nil:
			request.ServeAs(next, w, r, callerKey{}, caller, ks.refuseScope)
		case optional && is(err, KeyMissing):
			request.ServeWithout(next, w, r, callerKey{}, ks.refuseScope)
		default:
			ks.Refuse(w, r, err)
		}
	})
	if ks.vary == "" {
		return checked
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { request.VaryBy(w, r, ks.vary).Serve(checked, w, r) })
}

func is(err error, reason rampart.Denial) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == reason
}

// Present implements [rampart.Credential].
func (ks *Keys) Present(r *http.Request) bool {
	_, reason := ks.present(r)
	return reason != KeyMissing || ks.store == nil // the zero Keys refuses
}

// Challenge implements [rampart.Credential].
func (ks *Keys) Challenge() string { return cmp.Or(ks.challenge, defaultScheme) }

// refuseScope is how [rampart.RequireScope] refuses.
func (ks *Keys) refuseScope(w http.ResponseWriter, r *http.Request, scopes []string) {
	err := &Error{Reason: KeyMissing, challenge: ks.challenge}
	if len(scopes) > 0 {
		err.Reason = KeyScope
		if caller, ok := FromContext(r.Context()); ok {
			err.KeyID = caller.ID()
		}
	}
	ks.Refuse(w, r, err)
}

// Refuse implements [rampart.Credential]: it logs a request that err keeps out,
// an error of [Keys.Check], and responds to it by the ErrorHandler.
func (ks *Keys) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[rampart.Refusal](err)
	if !ok { // an error of another kind is an outage
		refusal = &Error{Reason: KeyUnavailable, cause: err}
		err = refusal
	}
	e, ok := refusal.(*Error)
	if !ok {
		e = &Error{Reason: refusal.Denial()}
	}
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
		attrs = append(attrs, rampart.Text("error", refusal.Error()))
	default:
	}
	if r.Context().Err() == nil || e.Reason != KeyUnavailable { // a client that hangs up is no outage
		ks.rep.Refused(r, event, fold, attrs...)
	}
	if ks.errorHandler == nil {
		refusal.Problem().Write(w)
		return
	}
	maps.Copy(w.Header(), refusal.Problem().Header.Clone())
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

package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
)

// passwordChange is what POST /api/password/ takes. Passwords are never
// trimmed, cleaned or normalised.
type passwordChange struct {
	Old string `json:"old" validate:"required,max=1024"`
	New string `json:"new" validate:"required,min=12,max=1024"`
}

// activeOwner refuses the key of somebody who may no longer log in.
func (a *app) activeOwner(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, ok := apikey.FromContext(r.Context())
		if ok {
			var err error
			if ok, err = a.standing.Active(r.Context(), caller.Owner()); err != nil {
				a.fail(w, r, err)
				return
			}
		}
		if !ok {
			a.events.Refused(r, rampart.AuthnLoginFail, "inactive owner", slog.String("kind", "api_key"), slog.String("reason", "owner_inactive"))
			w.Header().Set("WWW-Authenticate", "Api-Key")
			(&rampart.Problem{Status: http.StatusUnauthorized, Code: "authentication_failed", Detail: "Incorrect authentication credentials."}).Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// changePassword replaces the caller's password and ends every session of
// theirs, this one included. API keys stay: programs use them, and their owner
// sees and revokes them under /api/keys/.
func (a *app) changePassword(service *session.Service, sessions *authsql.Store) func(http.ResponseWriter, *http.Request, passwordChange) {
	return func(w http.ResponseWriter, r *http.Request, in passwordChange) {
		t, ok := auth.FromContext(r.Context())
		if !ok { // unreachable behind the verifier
			(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated"}).Write(w)
			return
		}
		err := a.users.changePassword(r.Context(), sessions, t.Subject(), in.Old, in.New)
		if err == nil {
			// The refresh tokens are dead; this tells every instance to refuse the
			// access tokens too, even if the client has hung up.
			_, err = service.EndSubject(context.WithoutCancel(r.Context()), t.Subject())
		}
		switch {
		case errors.Is(err, errWrongPassword):
			a.events.Refused(r, rampart.AuthnLoginFail, t.Subject(), slog.String("reason", "old_password"), rampart.Text("subject", t.Subject()))
			(&rampart.Problem{
				Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: "Invalid input.",
				Errors: []rampart.FieldError{{Pointer: "#/old", Code: "password_incorrect", Detail: "Your old password was entered incorrectly. Please enter it again."}},
			}).Write(w)
		case errors.Is(err, password.ErrBusy):
			a.events.Refused(r, rampart.SysOverloaded, "passwords", slog.String("backend", "passwords"))
			rampart.WriteError(w, err)
		case err != nil:
			a.fail(w, r, err)
		default:
			a.events.Report(r.Context(), rampart.AuthnPasswordChange, t.Subject(), rampart.Text("subject", t.Subject()))
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

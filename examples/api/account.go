package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/password"
)

// passwordChange is what POST /api/password/ takes. Passwords are never
// trimmed, cleaned or normalised.
type passwordChange struct {
	Old string `json:"old" validate:"required,max=1024"`
	New string `json:"new" validate:"required,min=12,max=1024"`
}

// changePassword replaces the caller's password and ends every session of
// theirs, this one included: whoever knew the old password is out.
func (a *app) changePassword(service *auth.Service) func(http.ResponseWriter, *http.Request, passwordChange) {
	return func(w http.ResponseWriter, r *http.Request, in passwordChange) {
		t, ok := auth.FromContext(r.Context())
		if !ok { // unreachable behind the verifier
			(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated"}).Write(w)
			return
		}
		err := a.users.changePassword(r.Context(), t.Subject(), in.Old, in.New)
		if err == nil {
			// The password is changed already: a client that hangs up now must
			// not keep the old sessions alive.
			err = service.EndSubject(context.WithoutCancel(r.Context()), t.Subject())
		}
		switch {
		case errors.Is(err, errWrongPassword):
			(&rampart.Problem{
				Status: http.StatusUnprocessableEntity, Code: "validation_failed", Detail: "Invalid input.",
				Errors: []rampart.FieldError{{Pointer: "#/old", Code: "password_incorrect", Detail: "Your old password was entered incorrectly. Please enter it again."}},
			}).Write(w)
		case errors.Is(err, password.ErrBusy):
			w.Header().Set("Retry-After", "1")
			(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "busy"}).Write(w)
		case err != nil:
			a.fail(w, r, err)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

package session

import (
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// What clients post.
type (
	loginRequest   struct{ Username, Password string }
	refreshRequest struct{ Refresh string }
	tokenRequest   struct{ Token string }
)

func (s *Service) readLogin(w http.ResponseWriter, r *http.Request) (f loginRequest, err error) {
	err = s.read(w, r, "password", text("username", &f.Username), text("password", &f.Password))
	return f, err
}

func (s *Service) readRefresh(w http.ResponseWriter, r *http.Request) (f refreshRequest, err error) {
	name := "refresh"
	if s.style == StyleOAuth {
		name = "refresh_token"
	}
	err = s.read(w, r, "refresh_token", text(name, &f.Refresh))
	return f, err
}

func (s *Service) readToken(w http.ResponseWriter, r *http.Request) (f tokenRequest, err error) {
	err = s.readForm(w, r, text("token", &f.Token))
	return f, err
}

func text(name string, into *string) strictjson.Field {
	return strictjson.Field{Name: name, Text: into, Required: true}
}

// maxForm bounds a request's body: a token of the longest kind fits.
const maxForm = jose.MaxToken + 1<<10

// readForm reads fields of a JSON or form body, or returns a [*rampart.Problem].
// Like Django it ignores other fields.
func (s *Service) readForm(w http.ResponseWriter, r *http.Request, fields ...strictjson.Field) error {
	limits := strictjson.Small(maxForm, strictjson.JSON, strictjson.Form)
	limits.AllowUnknown = true
	p := limits.Object(w, r, fields...)
	switch {
	case p == nil:
		return nil
	case s.style == StyleDjango:
		return asSimplejwt(p)
	default:
		return p
	}
}

// asSimplejwt brings what is wrong with fields into the shape of simplejwt's
// serializers: 400, without a detail, and a list of sentences for each field.
func asSimplejwt(p *rampart.Problem) *rampart.Problem {
	if p.Code != strictjson.CodeInvalid {
		return p
	}
	p.Status, p.Detail, p.Extensions = http.StatusBadRequest, "", map[string]any{}
	for _, e := range p.Errors {
		name := strings.TrimPrefix(e.Pointer, "#/")
		if name == "#" {
			name = "non_field_errors"
		}
		p.Extensions[name] = []string{e.Detail}
	}
	return p
}

package session

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// Style is the shape and wording of the responses of a [Service].
type Style string

// The styles.
const (
	// StylePlain is {access, refresh}, and a [rampart.Problem] for a refusal.
	StylePlain Style = ""

	// StyleOAuth is what clients of OAuth 2.0 understand (RFC 6749 sections 5.1
	// and 5.2): {access_token, token_type, expires_in, refresh_token}, and {error,
	// error_description}, where a wrong password and a token that is no longer good
	// are invalid_grant with the status 400. Requests then name the refresh token
	// refresh_token, and may have the grant_type "password" or "refresh_token".
	StyleOAuth Style = "oauth"

	// StyleDjango is StylePlain with the wording of djangorestframework-simplejwt,
	// on which its clients rely, and with its lists of what is wrong with each field.
	StyleDjango Style = "django"
)

// A response is what an endpoint sends: {} if all of it is empty.
type response struct {
	Access       string `json:"access,omitempty"`
	AccessToken  string `json:"access_token,omitempty"` // with LegacyNames or StyleOAuth
	TokenType    string `json:"token_type,omitempty"`   // with StyleOAuth
	ExpiresIn    int64  `json:"expires_in,omitzero"`    // seconds, with StyleOAuth
	Refresh      string `json:"refresh,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"` // as access_token
	Token        string `json:"token,omitempty"`         // a sliding one
}

// answer returns re in the words of the service.
func (s *Service) answer(re response) response {
	switch {
	case s.style == StyleOAuth && re != response{}:
		return response{
			AccessToken: re.Access + re.Token, TokenType: "Bearer", ExpiresIn: re.ExpiresIn, RefreshToken: re.Refresh,
		}
	case s.legacyNames:
		re.AccessToken, re.RefreshToken = re.Access, re.Refresh
	}
	re.ExpiresIn = 0 // clients read it from the token
	return re
}

// message is what a client is told of a token that is not good.
func (s *Service) message(te *auth.TokenError) string {
	if s.style == StyleDjango {
		return te.Message()
	}
	switch te.Reason {
	case auth.TokenRevoked, auth.TokenReused:
		return "The session has ended."
	case auth.TokenInactive:
		return "The account may no longer log in."
	default:
		return "The token is not valid, or has expired."
	}
}

// badCredentials is what a client is told of a log-in that failed.
func (s *Service) badCredentials() string {
	if s.style == StyleDjango {
		return "No active account found with the given credentials"
	}
	return "The name or the password is wrong, or the account may not log in."
}

// throttled is what a client is told by a [Guard] that has no words of its own.
func (s *Service) throttled() string {
	if s.style == StyleDjango {
		return "Request was throttled."
	}
	return "Too many attempts. Try again later."
}

// asOAuth gives a problem the status and the word of RFC 6749 section 5.2, where
// that has one.
func asOAuth(p *rampart.Problem) {
	switch p.Status {
	case http.StatusUnauthorized:
		p.Status, p.Code = http.StatusBadRequest, "invalid_grant"
		p.Header.Del("WWW-Authenticate") // for requests that authenticate by a header
	case http.StatusUnprocessableEntity:
		p.Status, p.Code = http.StatusBadRequest, "invalid_request"
	case http.StatusBadRequest:
		if p.Code != unsupportedGrant {
			p.Code = "invalid_request"
		}
	case http.StatusServiceUnavailable:
		p.Code = "temporarily_unavailable"
	}
}

// writeOAuth responds with a problem that asOAuth has seen.
func writeOAuth(w http.ResponseWriter, _ *http.Request, err error) {
	p := &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable"}
	if refusal, ok := errors.AsType[rampart.Refusal](err); ok {
		p = refusal.Problem()
	}
	description := p.Detail
	for i, e := range p.Errors {
		if i > 0 || description != "" {
			description += " "
		}
		description += strings.TrimPrefix(e.Pointer, "#/") + ": " + e.Detail
	}
	body, _ := strictjson.Encode(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{p.Code, description}) // strings do not fail
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(cmp.Or(p.Status, http.StatusInternalServerError))
	_, _ = w.Write(body) // the client is gone if this fails
}

// unsupportedGrant is the code for a grant_type that an endpoint does not serve.
const unsupportedGrant = "unsupported_grant_type"

// read reads the fields of a request that asks for tokens by that grant.
func (s *Service) read(w http.ResponseWriter, r *http.Request, grant string, fields ...strictjson.Field) error {
	if s.style != StyleOAuth {
		return s.readForm(w, r, fields...)
	}
	asked := grant
	fields = append(slices.Clone(fields), strictjson.Field{Name: "grant_type", Text: &asked})
	if err := s.readForm(w, r, fields...); err != nil {
		return err
	}
	if asked != grant {
		return &rampart.Problem{Status: http.StatusBadRequest, Code: unsupportedGrant, Detail: "This endpoint serves the grant_type " + grant + "."}
	}
	return nil
}

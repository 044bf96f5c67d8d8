package auth

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/ecolaura/rampart"
)

// answer is the default ErrorHandler of a [Verifier].
func (v *Verifier) answer(w http.ResponseWriter, _ *http.Request, err error) {
	p := v.problem(err)
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	p.Write(w)
}

// problem is what simplejwt's authentication class answers: detail and
// code are what its clients look at, and messages is what they show.
func (v *Verifier) problem(err error) *rampart.Problem {
	te, _ := errors.AsType[*TokenError](err)
	if te == nil || te.Reason == TokenUnverified {
		return unavailable()
	}
	p := &rampart.Problem{Status: http.StatusUnauthorized, Code: "token_not_valid"}
	switch te.Reason {
	case TokenMissing:
		p.Code, p.Detail = "not_authenticated", "Authentication credentials were not provided."
	case TokenSource:
		p.Code, p.Detail = "bad_authorization_header", "Authorization header must contain two space-delimited values"
	case TokenScope:
		p.Status, p.Code, p.Detail = http.StatusForbidden, "insufficient_scope", "You do not have permission to perform this action."
	case TokenNoSubject:
		p.Detail = te.Reason.message()
	default:
		p.Detail = "Given token not valid for any token type"
		p.Extensions = map[string]any{"messages": json.RawMessage(
			`[{"token_class":"` + tokenClass(v.requestKind) + `","token_type":"` + string(v.requestKind) +
				`","message":` + quote(te.Reason.message()) + `}]`)}
	}
	return p
}

// tokenClass is simplejwt's name of the class for k.
func tokenClass(k Kind) string {
	if k == Sliding {
		return "SlidingToken"
	}
	return "AccessToken"
}

// unavailable is the answer while tokens or passwords cannot be checked. It is
// no 401: clients would throw good tokens away.
func unavailable() *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusServiceUnavailable,
		Code:   "authentication_unavailable",
		Detail: "Authentication is temporarily unavailable.",
	}
}

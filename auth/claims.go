package auth

import (
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// parseClaims reads the claims of a token whose signature is good, and checks
// all that time does not change. typ is that of the header.
func (v *Verifier) parseClaims(s *jose.Reader, payload, typ string) (*Token, error) {
	t := &Token{payload: payload}
	var audience audience
	err := s.JSON.Object(payload, func(name, value string) error {
		ok := true
		switch name {
		case "jti":
			t.id, ok = strictjson.StringOf(value)
		case "iss":
			t.issuer, ok = strictjson.StringOf(value)
		case "exp":
			t.expires, ok = jose.ParseDate(value)
		case "nbf":
			t.notBefore, ok = jose.ParseDate(value)
		case "iat":
			t.issuedAt, ok = jose.ParseDate(value)
		case "aud":
			audience.text = value
			audience.ours, ok = v.matchAudience(value)
		case "scope":
			var scope string
			scope, ok = strictjson.StringOf(value)
			t.addScope(scope)
		case "scopes":
			ok = t.addScopes(value)
		case v.subjectClaim:
			t.subject, ok = subjectOf(value, name == "sub")
		case v.kindClaim:
			var kind string
			if kind, ok = strictjson.StringOf(value); !ok {
				return refused(TokenWrongKind)
			}
			t.kind = Kind(kind)
		case "sub": // RFC 7519 section 4.1.2; another claim names the subject
			_, ok = strictjson.StringOf(value)
		case "sid": // of another type it is not OpenID's, and no session
			t.session, _ = strictjson.StringOf(value)
		case "auth_time":
			t.authTime, _ = jose.ParseDate(value)
		}
		if !ok {
			return strictjson.ErrObject
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v.subjectClaim == "iss" {
		t.subject = t.issuer
	}
	if err := v.checkClaims(t, audience, typ); err != nil {
		return nil, err
	}
	return t, nil
}

// checkClaims checks what must be there, and from whom and for whom it is.
func (v *Verifier) checkClaims(t *Token, audience audience, typ string) error {
	if typ == jose.TypeAccess { // RFC 9068 section 2.1: the type says what others say in a claim
		if t.kind == "" {
			t.kind = Access
		} else if t.kind != Access {
			return mismatch(TokenWrongKind, string(t.kind), string(Access))
		}
	}
	switch {
	case typ != jose.TypeAccess && t.kind == Access && v.accessType == jose.TypeAccess:
		return mismatch(TokenHeaderType, typ, v.accessType)
	case v.issuer != jose.Any && t.issuer != v.issuer: // RFC 8725 section 3.8
		return mismatch(TokenIssuer, t.issuer, v.issuer)
	case !slices.Contains(v.audiences, jose.Any) && !audience.ours: // RFC 8725 section 3.9
		return mismatch(TokenAudience, audience.text, strings.Join(v.audiences, " or "))
	case t.expires.IsZero():
		return refused(TokenNoExpiry)
	case t.id == "" && !v.untyped:
		return refused(TokenNoID)
	case t.kind == "" && !v.untyped:
		return refused(TokenNoKind)
	case t.subject == "": // RFC 8725 section 3.8
		return refused(TokenNoSubject)
	}
	return nil
}

// audience is the claim aud: its JSON text, and whether this server is in it.
type audience struct {
	text string
	ours bool
}

// matchAudience reads the claim aud, a string or a list of strings (RFC 7519
// section 4.1.3).
func (v *Verifier) matchAudience(value string) (ours, ok bool) {
	if one, ok := strictjson.StringOf(value); ok {
		return slices.Contains(v.audiences, one), true
	}
	list, ok := strictjson.StringsOf(value)
	return ok && slices.ContainsFunc(list, func(a string) bool { return slices.Contains(v.audiences, a) }), ok
}

// subjectOf reads the claim that names the subject: a string, or an integer as
// Django's primary keys are, unless the claim is sub, which is a string (RFC
// 7519 section 4.1.2).
func subjectOf(value string, mustBeString bool) (string, bool) {
	if s, ok := strictjson.StringOf(value); ok {
		return s, s != ""
	}
	if mustBeString || !jose.IsIntegerSubject(value) {
		return "", false
	}
	return value, true
}

// addScope adds scopes that are separated by spaces.
func (t *Token) addScope(scope string) {
	if t.scope != "" && scope != "" {
		t.scope += " "
	}
	t.scope += scope
}

// addScopes adds a list of scopes. One with a space in it would become two.
func (t *Token) addScopes(value string) bool {
	list, ok := strictjson.StringsOf(value)
	for _, scope := range list {
		if !isScope(scope) {
			return false
		}
		t.addScope(scope)
	}
	return ok
}

// isScope reports whether s is a scope-token (RFC 6749 section 3.3).
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

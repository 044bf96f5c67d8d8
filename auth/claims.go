package auth

import (
	"maps"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// parseClaims reads the claims of a token whose signature is good, and checks
// all that time does not change. typ is that of the header.
func (v *Verifier) parseClaims(s *jose.Reader, payload, typ string) (*Token, error) {
	t := &Token{payload: payload}
	got := claimsRead{best: len(v.scopeClaims)}
	err := s.JSON.Object(payload, func(name, value string) error {
		if err := v.readClaim(t, &got, name, value); err != nil {
			return err
		}
		if v.rules != nil {
			return v.hold(name, value, &got.seen)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v.subjectClaim == "iss" {
		t.subject = t.issuer
	}
	if err := v.checkClaims(t, &got, typ); err != nil {
		return nil, err
	}
	return t, nil
}

// claimsRead is what is read of a token beside what it keeps.
type claimsRead struct {
	audience, aud audience // of AudienceClaim, and of aud where that is another
	tenant        string
	best          int    // which of ScopeClaims counts so far
	seen          uint64 // the rules that are met
}

// readClaim reads a claim that has a meaning here. One of a wrong type is named.
func (v *Verifier) readClaim(t *Token, got *claimsRead, name, value string) error {
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
	case v.audienceClaim:
		got.audience.text = value
		got.audience.ours, ok = v.matchAudience(value)
	case "aud":
		got.aud.text = value
		got.aud.ours, ok = v.matchAudience(value)
	case v.subjectClaim:
		t.subject, ok = subjectOf(value, name == "sub")
	case v.kindClaim:
		return v.readKind(t, value)
	case "sub": // RFC 7519 section 4.1.2; another claim names the subject
		_, ok = strictjson.StringOf(value)
	case "sid": // of another type it is not OpenID's, and no session
		t.session, _ = strictjson.StringOf(value)
	case "auth_time":
		t.authTime, _ = jose.ParseDate(value)
	case "tid": // of another type it is no tenant
		got.tenant, _ = strictjson.StringOf(value)
	default:
		if i := slices.Index(v.scopeClaims, name); i >= 0 {
			ok = v.readScopes(t, got, i, value)
		}
	}
	if !ok {
		return &TokenError{Reason: TokenClaims, Claim: name}
	}
	return nil
}

// readKind reads the kind claim.
func (v *Verifier) readKind(t *Token, value string) error {
	text, ok := strictjson.StringOf(value)
	switch {
	case !ok:
		return refused(TokenWrongKind)
	case v.kinds == nil:
		t.kind = Kind(text)
	default:
		if t.kind, ok = v.kinds[text]; !ok {
			return mismatch(TokenWrongKind, text, strings.Join(slices.Sorted(maps.Keys(v.kinds)), " or "))
		}
	}
	return nil
}

// checkClaims checks what must be there, and from whom and for whom it is.
func (v *Verifier) checkClaims(t *Token, got *claimsRead, typ string) error {
	special := typ != "" && typ != plainType // only access tokens have a type of their own
	if t.kind == "" && (typ == jose.TypeAccess || v.saysAccess(got.seen)) {
		t.kind = Access // RFC 9068 section 2.1: the type says what others say in a claim
	}
	missing := v.missing(got.seen)
	anyone := slices.Contains(v.audiences, jose.Any)
	switch {
	case special && t.kind != Access && t.kind != "":
		return mismatch(TokenWrongKind, string(t.kind), string(Access))
	case (t.kind == Access || t.kind == "" && v.untyped) && !v.listed(typ):
		return mismatch(TokenHeaderType, typ, v.wantType())
	case !v.issuedBy(t.issuer, got.tenant): // RFC 8725 section 3.8
		return mismatch(TokenIssuer, t.issuer, v.issuer)
	case len(v.tenants) > 0 && !slices.Contains(v.tenants, jose.Any) && !slices.Contains(v.tenants, got.tenant):
		return mismatch(TokenTenant, got.tenant, strings.Join(v.tenants, " or "))
	case !anyone && !got.audience.ours: // RFC 8725 section 3.9
		return mismatch(TokenAudience, got.audience.text, strings.Join(v.audiences, " or "))
	case !anyone && got.aud.text != "" && !got.aud.ours:
		return mismatch(TokenAudience, got.aud.text, strings.Join(v.audiences, " or "))
	case missing != "":
		return &TokenError{Reason: TokenWrongClaim, Claim: missing}
	case t.expires.IsZero():
		return refused(TokenNoExpiry)
	case t.kind == "" && !v.untyped:
		return refused(TokenNoKind)
	case t.id == "" && !v.untyped && !v.saysAccess(got.seen):
		return refused(TokenNoID)
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

// readScopes reads the claim at that place of ScopeClaims.
func (v *Verifier) readScopes(t *Token, got *claimsRead, place int, value string) bool {
	scope, ok := scopesOf(value)
	switch {
	case !ok:
		return false
	case v.allScopes && t.scope != "" && scope != "":
		t.scope += " " + scope
	case v.allScopes:
		t.scope += scope
	case place < got.best:
		t.scope, got.best = scope, place
	}
	return true
}

// scopesOf reads a claim with scopes: a string separated by spaces (RFC 8693
// section 4.2), or a list, in which a scope with a space in it would become two.
func scopesOf(value string) (string, bool) {
	if scope, ok := strictjson.StringOf(value); ok {
		return scope, true
	}
	list, ok := strictjson.StringsOf(value)
	if !ok || slices.ContainsFunc(list, func(s string) bool { return !isScope(s) }) {
		return "", false
	}
	return strings.Join(list, " "), true
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

package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// errTooLarge is for claims that would make a token which the verifier refuses.
var errTooLarge = errors.New("auth: the claims make the token longer than MaxBytes")

// grant is what one token is to say.
type grant struct {
	kind             Kind
	subject, id      string
	issued, expires  time.Time
	refreshableUntil time.Time // of a sliding token; zero for others
	claims           map[string]any
}

// mint writes and signs a token. The claims come in simplejwt's order, further
// ones after them in the order of their names, so that equal grants make equal
// texts.
func (s *Service) mint(g grant) (string, error) {
	key := s.keys.signing()
	segment := key.m.header
	if g.kind == Access && s.v.accessType == typeAccess {
		segment = headerSegment(key.alg, key.kid, typeAccess)
	}
	claims, err := s.claimsText(g)
	if err != nil {
		return "", err
	}
	text := append([]byte(segment), '.')
	text = base64.RawURLEncoding.AppendEncode(text, claims)
	sig, err := key.sign(nil, text)
	if err != nil {
		return "", err
	}
	text = append(text, '.')
	text = base64.RawURLEncoding.AppendEncode(text, sig)
	if len(text) > s.v.maxBytes {
		return "", errTooLarge
	}
	if g.kind == Refresh && s.cookie != "" && len(s.cookie)+len(text) > maxCookie {
		return "", errCookieTooLarge
	}
	return string(text), nil
}

func (s *Service) claimsText(g grant) ([]byte, error) {
	b := make([]byte, 0, 512)
	b = append(b, '{')
	b = appendMember(b, s.v.kindClaim, strictjson.Quote(string(g.kind)))
	b = appendMember(b, "exp", strconv.FormatInt(g.expires.Unix(), 10))
	b = appendMember(b, "iat", strconv.FormatInt(g.issued.Unix(), 10))
	b = appendMember(b, "jti", strictjson.Quote(g.id))
	if !g.refreshableUntil.IsZero() {
		b = appendMember(b, refreshExpiry, strconv.FormatInt(g.refreshableUntil.Unix(), 10))
	}
	subject := strictjson.Quote(g.subject)
	if s.v.subjectClaim != "sub" && isIntegerSubject(g.subject) {
		subject = g.subject // an integer primary key, as simplejwt has it
	}
	b = appendMember(b, s.v.subjectClaim, subject)
	for _, name := range slices.Sorted(maps.Keys(g.claims)) {
		value, err := strictjson.Encode(g.claims[name])
		if err != nil {
			return nil, fmt.Errorf("auth: claim %q: %w", name, err)
		}
		b = appendMember(b, name, string(value))
	}
	if aud := s.v.audiences[0]; aud != anyValue {
		b = appendMember(b, "aud", strictjson.Quote(aud))
	}
	if s.v.issuer != anyValue {
		b = appendMember(b, "iss", strictjson.Quote(s.v.issuer))
	}
	return append(b, '}'), nil
}

func appendMember(b []byte, name, value string) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(b, strictjson.Quote(name)...)
	b = append(b, ':')
	return append(b, value...)
}

// reserved reports whether the service itself sets a claim.
func (s *Service) reserved(claim string) bool {
	return registered(claim) || claim == "sub" || claim == refreshExpiry ||
		claim == s.v.subjectClaim || claim == s.v.kindClaim
}

// checkCustom refuses claims that the service sets itself.
func (s *Service) checkCustom(claims map[string]any) error {
	for name := range claims {
		if s.reserved(name) {
			return fmt.Errorf("auth: claim %q is set by the service", name)
		}
	}
	return nil
}

// custom returns the claims of a refresh token that go on into the tokens made
// from it, as simplejwt copies them.
func (s *Service) custom(t *Token) map[string]any {
	claims := map[string]any{}
	_ = strictjson.NewReader().Object(t.payload, func(name, value string) error { // it was read before
		if !s.reserved(name) {
			claims[name] = strictjson.Raw(value)
		}
		return nil
	})
	return claims
}

package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// errTooLarge is for claims that would make a token which the verifier refuses.
var errTooLarge = errors.New("session: the claims make the token longer than MaxBytes")

// grant is what one token is to say.
type grant struct {
	kind             auth.Kind
	session          Session
	id               string
	issued, expires  time.Time
	refreshableUntil time.Time // of a sliding token; zero for others
	claims           map[string]any
}

// mint writes and signs a token.
func (s *Service) mint(ctx context.Context, g grant) (string, error) {
	claims, err := s.claimsText(g)
	if err != nil {
		return "", err
	}
	text, err := jose.Mint(ctx, s.keys.Signing(), s.headerType(g.kind), claims)
	switch {
	case err != nil:
		return "", err
	case len(text) > s.tokens.MaxBytes:
		return "", errTooLarge
	case g.kind == auth.Refresh && s.cookie != "" && len(s.cookie)+len(text) > maxCookie:
		return "", errCookieTooLarge
	}
	return text, nil
}

// headerType is the typ in the header of a token.
func (s *Service) headerType(kind auth.Kind) string {
	if kind == auth.Access && len(s.tokens.HeaderTypes) > 0 {
		return s.tokens.HeaderTypes[0]
	}
	return jose.TypeJWT
}

// claimsText writes the claims in simplejwt's order, further ones after them in
// the order of their names, so that equal grants make equal strings.
func (s *Service) claimsText(g grant) ([]byte, error) {
	b := make([]byte, 0, 512)
	b = append(b, '{')
	b = appendMember(b, s.tokens.KindClaim, strictjson.Quote(string(g.kind)))
	b = appendMember(b, "exp", strconv.FormatInt(g.expires.Unix(), 10))
	b = appendMember(b, "iat", strconv.FormatInt(g.issued.Unix(), 10))
	b = appendMember(b, "jti", strictjson.Quote(g.id))
	if !g.refreshableUntil.IsZero() {
		b = appendMember(b, refreshExpiry, strconv.FormatInt(g.refreshableUntil.Unix(), 10))
	}
	subject := strictjson.Quote(g.session.Subject)
	if s.tokens.SubjectClaim != jose.SubjectClaim && jose.IsIntegerSubject(g.session.Subject) {
		subject = g.session.Subject // an integer primary key, as simplejwt has it
	}
	b = appendMember(b, s.tokens.SubjectClaim, subject)
	b = appendMember(b, "sid", strictjson.Quote(g.session.ID))
	b = appendMember(b, "auth_time", jose.FormatDate(g.session.AuthenticatedAt))
	for _, name := range slices.Sorted(maps.Keys(g.claims)) {
		value, err := strictjson.Encode(g.claims[name])
		if err != nil {
			return nil, fmt.Errorf("session: claim %q: %w", name, err)
		}
		if name == "scope" {
			value = scopeText(value)
		}
		b = appendMember(b, name, string(value))
	}
	if aud := s.tokens.Audiences[0]; aud != jose.Any {
		b = appendMember(b, "aud", strictjson.Quote(aud))
	}
	if s.tokens.Issuer != jose.Any {
		b = appendMember(b, "iss", strictjson.Quote(s.tokens.Issuer))
	}
	return append(b, '}'), nil
}

// scopeText writes a list of scopes as the claim scope is written, with spaces
// between them (RFC 8693 section 4.2). It leaves alone what would mean something
// else then.
func scopeText(value []byte) []byte {
	list, ok := strictjson.StringsOf(string(value))
	for _, scope := range list {
		ok = ok && scope != "" && !strings.Contains(scope, " ")
	}
	if !ok {
		return value
	}
	return []byte(strictjson.Quote(strings.Join(list, " ")))
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
	return jose.Registered(claim) || claim == "sub" || claim == refreshExpiry || claim == freshClaims ||
		claim == s.tokens.SubjectClaim || claim == s.tokens.KindClaim
}

// checkCustom refuses claims that the service sets itself.
func (s *Service) checkCustom(claims map[string]any) error {
	for name := range claims {
		if s.reserved(name) {
			return fmt.Errorf("session: claim %q is set by the service", name)
		}
	}
	return nil
}

// custom returns the claims of a refresh token that go on into the tokens made
// from it, as simplejwt copies them. Those that a [Claimer] added do not: it is asked
// anew, and what it no longer says must not stay.
func (s *Service) custom(t *auth.Token) map[string]any {
	claims := map[string]any{}
	var fresh []string
	_ = t.Claim(freshClaims, &fresh) // absent: no claim is of a Claimer
	for name, value := range t.Claims() {
		if !s.reserved(name) && !slices.Contains(fresh, name) {
			claims[name] = strictjson.Raw(string(value))
		}
	}
	return claims
}

// markFresh returns the claims of a sliding token, with the names of those that a
// [Claimer] gave: what it no longer says at the next renewal is gone then.
func markFresh(session, access map[string]any) map[string]any {
	var fresh []string
	for name, value := range access {
		if old, ok := session[name]; !ok || !reflect.DeepEqual(old, value) {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) == 0 {
		return access
	}
	slices.Sort(fresh)
	all := maps.Clone(access)
	all[freshClaims] = fresh
	return all
}

// freshClaims is the claim of a refresh or sliding token that names those of a [Claimer]
// in it.
const freshClaims = "fresh_claims"

// refreshClaims returns the claims of a refresh token: those of the session and, with
// ClaimsInRefresh, those that only the access token beside it has.
func (s *Service) refreshClaims(session, access map[string]any) map[string]any {
	if !s.inRefresh {
		return session
	}
	all := maps.Clone(access)
	maps.Copy(all, session)
	var fresh []string
	for name := range access {
		if _, ok := session[name]; !ok {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) > 0 {
		slices.Sort(fresh)
		all[freshClaims] = fresh
	}
	return all
}

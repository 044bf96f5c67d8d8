package session

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
)

// A rehearsal shows whether a verifier like that of the service takes the claims of
// an application, before anything is signed with the real key or a refresh token is
// used up. It has a secret of its own, so it costs some microseconds.
type rehearsal struct {
	v   *auth.Verifier
	key *auth.Key
}

// newRehearsal returns one for tokens, which a verifier has taken already.
func newRehearsal(tokens auth.VerifierConfig) (rehearsal, error) {
	key, err := auth.NewKey(auth.HS256, "", []byte(rand.Text()+rand.Text()))
	if err != nil {
		return rehearsal{}, err
	}
	keys, err := auth.NewKeys(key)
	if err != nil {
		return rehearsal{}, err
	}
	tokens.Keys, tokens.Revoked, tokens.CacheSize = keys, nil, -1
	tokens.MaxBytes = jose.MaxToken // mint looks at the real token
	v, err := auth.NewVerifier(tokens)
	return rehearsal{v, key}, err
}

// rehearse returns an error if a token of that kind with these claims would be
// refused, such as one whose scope is a number, or that lacks a claim of Tokens.Claims.
func (s *Service) rehearse(ctx context.Context, kind auth.Kind, subject string, claims map[string]any) error {
	if err := s.checkCustom(claims); err != nil || len(claims)+len(s.tokens.Claims) == 0 {
		return err
	}
	now := s.tokens.Now()
	text, err := s.claimsText(grant{
		kind:    kind,
		session: Session{ID: jose.NewSession(), Subject: subject, AuthenticatedAt: now},
		id:      rand.Text(),
		issued:  now,
		expires: now.Add(s.accessTTL),
		claims:  claims,
	})
	if err != nil {
		return err
	}
	token, err := jose.Mint(ctx, s.rehearsal.key, s.headerType(kind), text)
	if err != nil {
		return err
	}
	if _, err := s.rehearsal.v.Verify(ctx, token, kind); err != nil { // as text: no client's token is to blame
		return fmt.Errorf("session: the verifier would refuse a token with these claims: %s", err.Error())
	}
	return nil
}

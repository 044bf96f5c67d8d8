package session

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"github.com/ecolaura/rampart/auth"
)

// withShared returns claims and what the other issuer of a [Shared] store wants.
func (s *Service) withShared(ctx context.Context, subject string, claims map[string]any) (map[string]any, error) {
	if s.shared == nil {
		return claims, nil
	}
	wanted, err := s.shared.Claims(ctx, subject)
	if err != nil || len(wanted) == 0 {
		return claims, err
	}
	all := map[string]any{}
	maps.Copy(all, claims)
	for name, value := range wanted {
		if _, set := all[name]; set {
			return nil, fmt.Errorf("session: claim %q is set by the store", name)
		}
		all[name] = value
	}
	return all, nil
}

// checkShared asks the other issuer about a refresh or sliding token.
func (s *Service) checkShared(ctx context.Context, t *auth.Token) error {
	if s.shared == nil {
		return nil
	}
	revoked, err := s.shared.Revoked(ctx, t)
	if err == nil && revoked {
		return refused(auth.TokenRevoked)
	}
	return err
}

// succeed goes on with a token that the other issuer made of one of a session, and
// returns which of its tokens it is. Where the session has a newer one here, two parties
// went on with one token.
func (s *Service) succeed(ctx context.Context, t *auth.Token, id string) (int64, Session, error) {
	now, gen, err := s.shared.Succeed(ctx, id, t.ID(), t.IssuedAt(), t.Expires())
	switch {
	case err != nil:
		return 0, Session{}, err
	case now.Revoked, gen == 0 && now.Blacklisted:
		return 0, Session{}, refused(auth.TokenRevoked)
	case gen == 0:
		return 0, Session{}, s.reused(ctx, now)
	}
	return gen, now, nil
}

// slidingID returns the jti of a session's sliding tokens. Django ends one by its
// jti, and so renews it under the same.
func (s *Service) slidingID(sess Session, random string) string {
	if s.shared == nil {
		return random
	}
	return cmp.Or(sess.TokenID, refreshID(sess))
}

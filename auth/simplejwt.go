package auth

import (
	"context"

	"github.com/ecolaura/rampart/internal/jose"
)

// Simplejwt returns the configuration that djangorestframework-simplejwt has
// with its defaults, so that both accept each other's tokens: HS256 with the
// secret (Django's SECRET_KEY) and no key id, the claims token_type, exp, iat,
// jti and user_id, no issuer, no audience, and its words for refusals. Add Revoked where sessions end. For a
// server that issues tokens, too, see package session.
//
// If the secret is too short (32 bytes at least, RFC 7518 section 3.2),
// [NewVerifier] says so.
func Simplejwt(secret []byte) VerifierConfig {
	return VerifierConfig{
		Keys:         hmacKeys(secret),
		Issuer:       jose.Any,
		Audiences:    []string{jose.Any},
		SubjectClaim: "user_id",

		DjangoStyle: true,
	}
}

// hmacKeys returns the one key of the preset, or why it cannot be made.
func hmacKeys(secret []byte) KeySource {
	key, err := NewKey(HS256, "", secret)
	if err != nil {
		return noKeys{err}
	}
	keys, err := NewKeys(key)
	if err != nil {
		return noKeys{err}
	}
	return keys
}

// noKeys carries a mistake to [NewVerifier], which reports it among the others.
type noKeys struct{ err error }

func (n noKeys) Key(context.Context, string, Algorithm) (*Key, error) { return nil, n.err }

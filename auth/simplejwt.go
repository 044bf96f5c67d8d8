package auth

import "context"

// Simplejwt returns the configuration that djangorestframework-simplejwt has
// with its defaults, so that both accept each other's tokens: HS256 with the
// secret (Django's SECRET_KEY) and no key id, the claims token_type, exp, iat,
// jti and user_id, no issuer, no audience, 5 minutes and one day, no rotation.
// Set NoRotation to false once the clients keep the refresh token that a
// refresh answers. What is missing is to be added: Revoked, and the service's
// Verifier, Users and Sessions.
//
// If the secret is too short (32 bytes at least, RFC 7518 section 3.2),
// [NewVerifier] says so.
func Simplejwt(secret []byte) (VerifierConfig, ServiceConfig) {
	v := VerifierConfig{Issuer: anyValue, Audiences: []string{anyValue}, SubjectClaim: "user_id"}
	v.Keys = hmacKeys(secret)
	return v, ServiceConfig{NoRotation: true}
}

// hmacKeys returns the one key of the preset, or why there is none.
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

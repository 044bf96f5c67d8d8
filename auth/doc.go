// Package auth verifies JSON Web Tokens for net/http servers, and revokes them.
// Package session, below it, issues them.
//
// # What it stops
//
// A [Verifier] lets requests through that carry a good access token, and no
// others: it stops forged, altered, expired, revoked and misused tokens, and
// strings that two parsers could read differently. The algorithm is a property of
// the key; what a token says of itself only finds the key. Issuer and audience
// are required configuration, and so is the kind of a token, so that a refresh
// token or an OpenID ID token never passes as an access token (RFC 8725).
//
// [Keys] are a server's own; [RemoteKeys] are those that another issuer
// publishes. [Revocations] bring what one instance revokes to the memory of all.
//
// # Tokens of other issuers
//
// [OpenID] finds an issuer's keys and takes its access tokens, by a profile:
// [RFC9068], [Keycloak], [Auth0], [Entra], [EntraV1], [Okta], [Cognito],
// [Google], [GitHubActions], [Kubernetes]; for Django's there is [Simplejwt]. A
// profile is a [VerifierConfig] that says how an access token of the issuer
// differs from everything else that it signs: by the header typ (HeaderTypes), by a claim
// (KindClaim, Kinds), or by claims that only access tokens have (AccessClaims)
// and that they never have (RefusedClaims). To write the next one, set those
// fields. No profile takes ID, refresh or log-out tokens. Google, GitHub and
// Kubernetes sign ID tokens alone, as proof of who calls; their profiles take those for the
// configured audience and, of Google and GitHub, of the named domains or owners.
//
// [ByIssuer] takes the tokens of several issuers, each with its own keys. Package
// authtest has a fake issuer for tests.
//
// # Tokens of its own
//
// Package session, below this one, issues tokens that the server's own [Keys] sign. The
// configuration of its Service contains that of the Verifier that takes them.
//
// # What it does not do
//
// It issues no tokens (auth/session does), and decrypts none: their holder can read
// them. It reads no key that a token brings along, no "none" algorithm, no
// compressed, nested or JSON-serialised tokens.
//
// Without [VerifierConfig].Revoked a token stays good until it expires, whatever
// happens to its session.
//
// # Where it stands
//
// Inside limits by address (checking a token costs cryptography), outside
// limits by user and everything that asks who the caller is:
//
//	request id → client address → headers → cors → throttle → auth → handler
//
// [Verifier.Handler] demands a token, [Verifier.Optional] takes one if it is
// there, [rampart.RequireScope] demands scopes, [FromContext] hands the token
// to the handler.
//
// # RFC 8725, section by section
//
//   - 3.1, 3.2: a key has one algorithm, there is no "none", and the header's alg
//     must be that of the key.
//   - 3.3: every part of a token is checked, before its claims are looked at, but for
//     iss, by which [ByIssuer] chooses who checks it.
//   - 3.4, 3.5: points must be on their curves; RSA keys under 2048 bits and
//     secrets shorter than their hash are refused when a [Key] is made.
//   - 3.6: nothing is compressed, nothing decompressed.
//   - 3.7: strings are strict JSON in UTF-8.
//   - 3.8, 3.9: issuer and audience are required configuration, and a key belongs
//     to one issuer; a token without a subject is refused.
//   - 3.10: kid only finds a key among those at hand; jku, x5u, jwk and x5c are
//     not read.
//   - 3.11, 3.12: the header typ and the [Kind] are checked; none passes for
//     another.
package auth

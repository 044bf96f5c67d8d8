// Package auth issues, refreshes, revokes and verifies JSON Web Tokens for
// net/http servers.
//
// # What it stops
//
// A [Verifier] lets requests through that carry a good access token, and no
// others: it stops forged, altered, expired, revoked and misused tokens, and
// texts that two parsers could read differently. The algorithm is a property of
// the key; what a token says of itself only finds the key. Issuer and audience
// are required configuration, and so is the kind of a token, so that a refresh
// token or an OpenID ID token never passes as an access token (RFC 8725).
//
// A [Service] makes the tokens. A refresh token works once; who uses one again
// (apart from a client that lost the answer) ends the session, because then two
// have it. Log-out, [Service.EndSession], [Service.EndSubject] and
// [Service.EndAll] end sessions in a [SessionStore] that all processes share.
// With [ServiceConfig].Cookie a browser's script never holds a refresh token.
//
// [Keys] are a server's own; [RemoteKeys] are those that another issuer
// publishes.
//
// # Where it stands
//
// Inside limits by address (checking a token costs cryptography), outside
// limits by user and everything that asks who the caller is:
//
//	request id → client address → headers → cors → throttle → auth → handler
//
// [Verifier.Handler] demands a token, [Verifier.Optional] takes one if it is
// there, [Verifier.RequireScope] demands scopes, [FromContext] hands the token
// to the handler.
//
// # What it does not do
//
// It does not hash passwords (auth/password does), limit guesses (the
// application wires a limiter to [ServiceConfig].Guard, and a [DeviceCookie]
// tells it the owner's devices), or encrypt tokens: their holder can read them. It reads no key that a token brings along, no
// "none" algorithm, no compressed, nested or JSON-serialised tokens.
//
// Without [VerifierConfig].Revoked an access token stays good until it expires,
// 5 minutes at most by default, whatever happens to its session. [RevokedIn]
// asks the session store on each request; [Revocations] answer from memory.
package auth

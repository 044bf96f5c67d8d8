// Package session issues, renews and ends sessions in JSON Web Tokens: log-in,
// refresh with rotation, log-out, for net/http servers. Package auth verifies the
// tokens.
//
// # What it stops
//
// Stolen refresh tokens: each works once. A second use, apart from that of a client
// that lost the response, ends the session, because then two parties have the token
// (RFC 9700 section 4.14.2). Log-out, [Service.EndSession], [Service.EndSubject] and
// [Service.EndAll] end sessions in a [Store] that all processes share;
// [Service.Sessions] shows people theirs. With [Config].Cookie no script in a browser
// ever holds a refresh token, and no other site's page can use it.
//
// Guesses of passwords are limited by [Config].Guard, to which the application
// wires a limiter; a [DeviceCookie] tells it the devices of the owner, so that an
// attacker does not lock the owner out.
//
// # What the tokens say
//
// They have the claims of djangorestframework-simplejwt, so that both accept each
// other's tokens with [Simplejwt], and besides these sid, the session, and
// auth_time, when its log-in began (OpenID Connect Core section 2). A token of
// another issuer with the same keys, such as Django, gets a session at its first
// refresh.
//
// # Where it stands
//
// Its handlers are endpoints, such as POST /api/token/, inside limits by address.
// [auth.Verifier.Handler] stands before everything else:
//
//	cfg := session.Config{Tokens: tokens, Users: users, Sessions: store}
//	service, err := session.New(cfg)
//	verifier, err := auth.NewVerifier(cfg.Tokens)
//
// # What it does not do
//
// It does not hash passwords (auth/password does) or limit guesses by itself, and it
// is no OAuth server.
//
// Unless Revoked is set in [Config].Tokens, an access token stays good until it
// expires, 5 minutes at most by default, whatever happens to its session.
// [RevokedIn] asks the store on each request; [auth.Revocations] answer from
// memory.
package session

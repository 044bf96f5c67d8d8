// Package authredis keeps the sessions of package session in Redis, 5 or later,
// through whatever client the application links.
//
// # What it stops
//
// A refresh token that is used in two processes at once is honoured once, and a
// log-out or password change in one takes effect in all: each decision is one
// script, which Redis runs alone, and one clock, that of Redis, says when a
// log-in began. The rows hold no token text: who reads them can log in as nobody.
//
// # Where it stands
//
// Behind a session.Service, and behind session.RevokedIn where access tokens must die
// with their session. The client is handed over as a [DoFunc].
// A call fails when Redis has replied to none for Config.Timeout. While Redis
// fails, most calls fail at once ([ErrOpen]) and ten a second try again; the log
// gets one event when that begins and one when it ends. Reads go on where only
// writes fail: the server is full, or a replica.
//
// # What it does not do
//
// It does not try again. A client that sends a command again after it lost the
// reply can make one use of a refresh token look like two: within the grace that
// does no harm, without a grace switch its retries off.
//
// It is as durable as the server's persistence makes it: with appendfsync
// everysec a crash, or a fail-over to a replica that lags, may forget the last
// second, revocations included. Redis must not evict the keys either: use the
// policy noeviction. All keys of a store have one hash tag, so that a cluster
// keeps them on one node: a session is judged together with the floors of its
// subject. The scripts reach the rows of a subject by names that they compute, so an
// ACL must grant all keys of the prefix.
//
// Sessions that a release without List created are not listed, and not counted when
// those of their subject are ended; they end all the same.
package authredis

// Package authdjango lets a [session.Service] and a Django with
// djangorestframework-simplejwt serve the same users from one database at the same
// time: PostgreSQL or SQLite, through database/sql and whatever driver the
// application links.
//
// It stops a token that one side has ended from working at the other. It stands
// behind a session.Service in place of authsql, whose tables it uses, too, until the
// last Django is gone. Django needs the app rest_framework_simplejwt.token_blacklist
// and, if ROTATE_REFRESH_TOKENS is set, BLACKLIST_AFTER_ROTATION.
//
// # What holds at both sides
//
// A [Store] writes each refresh token into Django's table of outstanding tokens when it
// is made, without its text, and into its blacklist when it is used up or its session
// ends, in the transaction that does so. It takes no refresh token that is in the
// blacklist. What Django makes of a token of ours goes on as the same session, and
// what we make of Django's is known there.
//
// Of two refreshes of one token at the same moment, one here and one there, ours fails
// if Django was first. If ours was first, Django, which does not look again, may answer
// too; the first use of its token here then ends the session.
//
// # What each side asks of an account
//
// [Store.Revoked] asks for is_active and, with [Config].CheckRevokeToken, for the claim
// hash_password, with every access token, as Django does. [Store.Users] checks
// passwords against Django's own table of users.
//
// # What it does not do
//
// An access token that Django has made lives until it expires, at both sides, although
// its refresh token was ended at Django: that is how simplejwt has it. Ended here, it is
// refused here at once, if it names its session or all of its account's were ended: one
// of a log-in at Django names none, and outlives a log-out.
//
// Django before simplejwt 5.5 does not write down the tokens that a rotation makes.
// [session.Service.EndSession] and [session.Service.EndSubject] end such a token there
// only once it has been used here; here they end it at once. An account's is_active
// ends all of them at both sides, from simplejwt 5.4 on.
//
// A token that is logged out or rotated at Django is refused here, and its session goes
// on: nobody can tell a stolen token from a client that asks twice there. Primary keys
// of users must be integers.
package authdjango

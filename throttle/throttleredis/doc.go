// Package throttleredis keeps the counts of throttle in Redis, so that all
// processes of a service share them.
//
// # What it stops
//
// That four processes let 400 pass where the limit says 100, and that a restart
// gives everybody a fresh start. All policies of a request are charged, or none,
// by one script call; time is the server's. A key is hashed before it leaves the
// process.
//
// # Where it stands
//
// Behind a throttle.Limiter, as its Config.Store; share one [Store] between all
// Limiters of a process. While Redis fails, a Limiter follows its outage policy;
// this package sees to it that finding out is quick: no call takes longer than
// its context allows, nor longer than a second, whatever the client library
// does, and after a row of failures only ten calls a second try again. The log gets
// one event when that begins and one when it ends. A call that waits while others are
// answered waits for this process, not for Redis: that is no failure.
//
// A caller who has been refused is refused here for up to a second more, so a
// flood of refused requests does not reach Redis.
//
// # What it does not do
//
// Redis must not evict keys (maxmemory-policy noeviction): who is evicted starts
// afresh. A failover may forget the last charges, and a clock that jumps moves
// the limits. Hashes hide keys from a casual reader of the database, but who
// guesses an address can look for its hash.
package throttleredis

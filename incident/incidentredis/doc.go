// Package incidentredis keeps the audit trail of package incident in Redis, 5 or
// later, through whatever client the application links.
//
// # What it stops
//
// An order that is given twice, in two processes at once, is carried out once: each
// decision is one script, which Redis runs alone.
//
// # Where it stands
//
// Behind package incident, as its Store. The client is handed over as a [DoFunc]. A
// call fails when Redis has replied to none for Config.Timeout. While Redis
// fails, most calls fail at once ([ErrOpen]) and ten a second try again; the log
// gets one event when that begins and one when it ends. Reads go on where only
// writes fail: the server is full, or a replica.
//
// # What it does not do
//
// It does not try again, nor should the client: an order that is sent again after
// its reply was lost is refused as one whose ID is taken.
//
// It is as durable as the server's persistence makes it: with appendfsync everysec
// a crash, or a fail-over to a replica that lags, may forget the last second. Redis
// must not evict the keys either: use the policy noeviction. All keys of a store
// have one hash tag, so that a cluster keeps them on one node; its scripts make the
// names of some of them.
package incidentredis

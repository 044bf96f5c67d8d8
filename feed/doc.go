// Package feed carries small changes (a revoked session, a blocked address, a
// key to forget, a tightened rate) to every instance of a service within a
// second, without a query per request: durable rows, polled by one goroutine,
// applied in memory.
//
// # What it stops
//
// That a log-out, a block or an incident counter-measure holds only on the
// instance where it was ordered, or only until that instance restarts. A fresh
// instance has applied all that is retained before it responds to its first request.
// If the source goes back to an earlier state (a restored dump, an older replica, an
// empty Redis), what the instances remember stays in force on them and is published
// again, which the event sys_state_lost says. Where the changes stop to arrive, [Feed.Age] says so, and each layer follows
// the outage policy that its own Config demands.
//
// # Where it stands
//
// Beside the chain, not in it: create one [Feed] per process and hand it to the
// layers' Configs as their [rampart.Feed]. Close it after the server has stopped.
//
// # What it does not do
//
// It is no queue and no log of events: changes are commutative settings that may
// arrive twice, they are held in the memory of each instance until they expire,
// and Publish waits for no other instance. Which instances there are, and how far
// each has read, is what [Feed.Instances] says. It does not encrypt or sign: who can write to
// the source can order whatever the layers obey. The clocks of the instances and
// of the source should agree to within some seconds, because expiry is judged by
// all of them.
package feed

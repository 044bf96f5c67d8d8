// Package incident gives a service its counter-measures: end sessions, revoke API
// keys, block addresses, tighten limits, lock the service down and rotate keys, each
// with one call, on every instance, recorded.
//
// # What it stops
//
// Without it, a team under attack must find out which table to edit on which host, and
// whether that was enough. An [Operator] carries an order out, waits up to a second until
// every instance has it in force, names those that have not, and keeps it in an audit
// trail (a [Store]) with the operator's name and note.
//
// # Where it stands
//
// Mount [Operator.Handler] behind a credential layer; it serves only callers with the
// scope of the Config. The package knows no layer: its [Config] takes small functions, most
// of which are methods of the layers as they are. A function that is nil has no endpoint:
// it is 404.
//
//	lockdown, err1 := incident.NewLockdown(incident.LockdownConfig{
//		Open: []string{"/api/ops/*", "/api/token/", "/healthz"}, Feed: changes,
//	})
//	operator, err2 := incident.New(incident.Config{
//		EndSession: sessions.EndSession, EndSubject: sessions.EndSubject, EndAll: sessions.EndAll,
//		RevokeOwner: keys.RevokeOwner,
//		Block:       blocks.Block, Unblock: blocks.Unblock, Blocks: blocks.Blocks,
//		Lockdown:    lockdown,
//		Feed:        changes, Instances: changes.Instances, // the feed that the layers have, too
//		Orders:      orders, // of incidentsql or incidentredis; nil: lost with a restart
//	})
//
// [Lockdown] is a layer of its own; it belongs outside every limit. With curl:
//
//	$ curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
//	    -d '{"subject":"42","note":"case 7"}' https://api.example.com/api/ops/sessions/end/
//	{"action":"end_subject","ended":2,"id":"06618225e82e7d-nvula3hhte","in_force":{"instances":3,"of":3},"target":"42"}
//
// # What it does not do
//
// It decides nothing by itself: package monitor raises alerts, people give orders. It
// does not undo an order when one instance does not follow: the order stays in force on
// the instances that have it. Services that share a database or a Redis share the audit
// trail and the feed: give each its own.
package incident

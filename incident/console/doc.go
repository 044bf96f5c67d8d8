// Package console is the operator's console: pages and a JSON API that show what a
// service refuses, how its instances agree, and that give the orders of package incident.
//
// # What it stops
//
// Without it, an operator reads a log and types curl. The first page shows whether
// anything is wrong, where and since when; each order shows whom it will hit before it
// is given, and afterwards on how many instances it is in force.
//
// # Where it stands
//
// A [Recorder] stands in the log, behind package monitor, so that it sees the alerts.
// A [Console] is one [http.Handler] that asks the operators' calls of
// [incident.Operator.Handler] and nothing else; it knows no log-in: Protect is the
// application's layers, which say who calls. Mount it with its prefix cut off:
//
//	recorder := console.NewRecorder(handler)
//	c, err := console.New(console.Config{
//		API: operator.Handler(), Recorder: recorder, Protect: protect, Path: "/console/",
//	})
//	mux.Handle("/console/", http.StripPrefix("/console", c))
//
// The pages work without JavaScript. Its script replaces what has changed, as the
// server's events tell it or, without them, every five seconds. All text goes through
// html/template. The pages need no inline script or style, and no other origin: the
// policy default-src 'self' with require-trusted-types-for 'script' holds.
//
// # The API
//
// What the pages show is also at these paths, as JSON, for the same callers:
//
//	GET  api/fleet    instances, the backends of the instance that is asked, what is wrong
//	GET  api/now      traffic by the minute, open alerts
//	GET  api/events   ?event= &layer= &who= &route= &before=: the newest 100 that match
//	GET  api/who      ?by=address|subject|key|origin: who is refused most
//	GET  api/who/one  ?by=&name=: everything known of one
//	GET  api/keys     what Config.Keys returns
//	GET  api/live     server-sent events: one "change" a second at most
//	*    api/ops/…    the operators' calls
//
// # What it does not do
//
// It keeps events in memory: the newest of this instance, since it started. Each page
// says so. It is no store of logs.
package console

// Package incident gives a service its counter-measures: end sessions, revoke API
// keys, block addresses, tighten limits, lock the service down and rotate keys, each
// with one call, on every instance, recorded.
//
// # What it stops
//
// That a team under attack has to find out which table to edit, on which host, and
// whether that was enough. An [Operator] carries an order out, waits for up to a
// second until every instance has it in force, tells which ones have not, and keeps
// it in an audit trail (a [Store]) with the operator's name and note.
//
// # Where it stands
//
// [Operator.Handler] is mounted behind a credential layer; it serves only callers with
// the scope of the Config. The package knows no layer: its [Config] takes small functions,
// most of which are methods of the layers as they are. What is not given is not
// served. [Lockdown] is a layer of its own, outside every limit.
//
// # What it does not do
//
// It decides nothing by itself: package monitor raises alerts, people give orders. It
// does not undo an order when one instance does not follow: an order is in force
// where it can be, and the response names the instances that are behind.
package incident

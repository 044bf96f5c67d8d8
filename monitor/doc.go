// Package monitor counts security events and calls somebody: a [Monitor] is a
// slog.Handler around a service's own, so every layer whose Logger writes
// through it is watched. It tells the counts to a metrics system (the modules
// monitor/prom and monitor/otel), and its rules ([Rule]) raise alerts. [Requests]
// measures what is served.
//
// It stops nothing; it shows that something is being tried. It sees only what
// reaches the log of this process: sums over several instances are the metrics
// system's job.
package monitor

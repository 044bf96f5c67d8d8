// Package prom tells a Prometheus registry what the layers count: a [Collector] of
// client_golang. It measures requests by route, method and class of status, and hands
// on what a monitor.Monitor, a feed.Feed, a throttle.Limiter and others tell by their
// methods Samples. docs/metrics.md has every name.
//
// What others tell already, it leaves to them: NewDBStatsCollector, NewBuildInfoCollector
// and NewGoCollector are in client_golang's package collectors.
package prom

// Package otel tells OpenTelemetry what the layers do. A [Telemetry] makes a span of
// each request and of each layer's decision, with the names of the semantic
// conventions, takes trace context from proxies that are believed, and measures
// requests. [NewProducer] hands a metrics SDK what a monitor.Monitor, a feed.Feed, a
// throttle.Limiter and others tell by their methods Samples.
//
// Where traces and metrics go is the SDK's affair; the version of the service and its
// instance are attributes of the SDK's resource.
package otel

// Package rampart holds the vocabulary that rampart's HTTP security layers
// share: [Chain] to compose layers, [Problem] for refusals (RFC 9457),
// [ConfigError] for mistakes in a configuration, [Event] and [Reporter] for
// security events, [Feed] and [Dialect] for state that instances share, and the
// accessors of what a request is known by ([ClientAddrFrom], [RequestIDFrom],
// [TraceParentFrom]).
//
// The layers are the packages below it (auth, throttle, headers, cors, sanitize,
// crypto, apikey). Each is independent of the others and is a plain
// func(http.Handler) http.Handler; a program that imports one links only that
// one. Package server runs them, package monitor counts what they report. This
// package imports nothing but the standard library, and stops nothing by itself.
package rampart

// Package rampart holds the vocabulary that rampart's HTTP security layers
// share, and the plumbing around them: [Chain] and [Mux] to compose handlers,
// [Server] to run them, [ClientIP] and [RequestID] to say who asks and which
// request it was, [Problem] for refusals (RFC 9457), [ConfigError] for mistakes
// in a configuration, [Event] and [Reporter] for security events, [Monitor] to
// count them and call somebody, [Health] for load balancers.
//
// The layers themselves are the packages below it (auth, throttle, headers,
// cors, sanitize, crypto, apikey). Each is independent of the others and is a
// plain func(http.Handler) http.Handler; a user of one links only that one.
// This package imports nothing but the standard library.
//
// It stops nothing by itself, with two exceptions: [ClientIP] keeps callers
// from choosing the address that limits and lists see, and [Server] bounds what
// one connection may cost. RequestID and ClientIP are the outermost layers of a
// chain.
package rampart

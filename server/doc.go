// Package server holds what stands around the layers of a service: [Server]
// runs a handler with bounded connections and an orderly end, [Mux] responds to its
// own 404 and 405 with problems, [Recover] turns a panic into a 500, [Health]
// serves load balancers, [Admin] operators, [LogWriter] keeps a log that stalls
// from stalling the requests, and two layers say who asks ([ClientIP]) and which
// request it was ([RequestID]).
//
// When its context is done a Server with a lame duck ends without losing a request
// behind a proxy, in this order:
//
//  1. Its Health is drained: readiness fails. It serves on, new connections too, and
//     every response closes its connection (GOAWAY of HTTP/2). Connections that are
//     idle stay open, since a proxy may just be sending a request on one.
//  2. At the end of [Config].LameDuck new connections are refused, those that are
//     made already are accepted and served, and the listener is closed: that takes
//     0.1 s, or until a connection has been silent for 5 s, as net/http has it. It
//     needs Linux and a listener of [Listen]; elsewhere the listener is closed at
//     once, which resets connections that wait to be accepted.
//  3. Idle connections are closed, and requests under way may end. After two thirds of
//     [Config].ShutdownTimeout, which begins with step 2, their contexts are cancelled,
//     and reads of bodies fail; at its end what is left is closed.
//
// A proxy should close idle connections of its own sooner than the lame duck ends, or
// it may send a request on one that step 3 closes. Without a lame duck there is step 3
// only.
//
// It stops slow and greedy connections (slow headers, slow bodies, large
// headers), and keeps callers from choosing the address that limits and lists
// see. RequestID and ClientIP are the outermost layers of a chain.
//
// It does not check credentials, limit requests or set browser protections: the
// layers do. net/http responds to a malformed request (400, 431) before any handler
// runs, so those responses carry none of the layers' headers. And it removes the files
// of an upload only if no foreign copy of the request stands between:
// [http.TimeoutHandler] and http.StripPrefix make one, and a handler behind them calls
// r.MultipartForm.RemoveAll itself.
package server

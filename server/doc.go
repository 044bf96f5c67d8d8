// Package server holds what stands around the layers of a service: [Server]
// runs a handler with bounded connections and an orderly end, [Mux] answers its
// own 404 and 405 with problems, [Recover] turns a panic into a 500, [Health]
// answers load balancers, and two layers say who asks ([ClientIP]) and which
// request it was ([RequestID]).
//
// It stops slow and greedy connections (slow headers, slow bodies, large
// headers), and keeps callers from choosing the address that limits and lists
// see. RequestID and ClientIP are the outermost layers of a chain.
//
// It does not check credentials, limit requests or set browser protections: the
// layers do. net/http answers a malformed request (400, 431) before any handler
// runs, so those answers carry none of the layers' headers. And it removes the files
// of an upload only if no foreign copy of the request stands between:
// [http.TimeoutHandler] and http.StripPrefix make one, and a handler behind them calls
// r.MultipartForm.RemoveAll itself.
package server

// Package headers puts browser protections on every answer, keeps the server
// on https and on its own names, and hardens cookies. A second layer, [CSRF],
// protects cookie sessions.
//
// # What it stops
//
// Framing, content sniffing, scripts from elsewhere, referrer leaks and cached
// secrets (the header set); poisoned links and caches, and DNS rebinding (a
// Host that is not ours); downgrade to plain http and secrets sent over it
// (redirects, refusals, Strict-Transport-Security); session cookies that leak
// or are overwritten from a sibling host (cookie attributes and prefixes);
// requests forged by another site ([CSRF]).
//
// # Where it stands
//
// Outside every layer that can refuse a request, so that their refusals carry
// the headers too; inside those that give a request its id and tell its
// client's address. [CSRF] stands inside it, before the handlers of a cookie
// session.
//
// # How a header set reaches every answer
//
// New compiles the set once. Each request gets it before the next handler
// runs, so that the 500 of a recover further out has it, and it is made whole
// when the final header is written: what a handler changed with Set stays;
// what it deleted comes back, because error paths of net/http delete
// Cache-Control and httputil.ReverseProxy clears the whole map after a
// backend's 1xx; two values of a single-value header become ours. To drop a
// header below a path, use [Headers.Route].
//
// # What it does not do
//
// It does not read X-Forwarded-Host: let the proxy pass Host on. It cannot
// reach what net/http answers itself before any handler runs (a malformed
// request, 431). A trusted proxy on a Unix socket has no address and so cannot
// be named in TrustedProxies. Cross-origin access is the package cors.
package headers

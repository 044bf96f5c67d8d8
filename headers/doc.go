// Package headers puts browser protections on every response, keeps the server
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
// # How a header set reaches every response
//
// New compiles the set once. A handler that asks for the header map finds it there,
// and it is made whole when a header is written: what a handler changed with Set
// stays; what it deleted or emptied comes back, because error paths of net/http
// delete Cache-Control; two values of a single-value header become ours, and so does
// the name of a header in other letters. If the handler panics, a recover further
// out finds the set in the map, without the handler's changes. To drop a header
// below a path, use [Headers.Route].
//
// The header of a backend behind httputil.ReverseProxy is added to ours, and
// loses to it, but for Content-Security-Policy: browsers apply every policy that
// they get, so delete the backend's in ModifyResponse if ours is to hold alone. It
// loses also after a backend's 1xx, at which the proxy clears the whole
// map, and at a protocol switch, for which it hijacks the connection first.
// Informational responses go out hardened too.
//
// # Pages of frameworks
//
// A build of Vite or React runs under [PresetWeb] as it is. htmx writes its
// indicator's style into the page, which the policy blocks: have it configured with
//
//	<meta name="htmx-config" content='{"includeIndicatorStyles":false,"allowEval":false}'>
//
// and put the two rules for .htmx-indicator into a style sheet, or give it the
// request's [Nonce] as inlineStyleNonce and [WithNonce] to CSP.Style. Without eval,
// its hx-on attributes, filters of triggers and js: values do not run.
//
// # Reports
//
// Try a stricter policy as Config.CSPReportOnly, beside the one that holds.
// [Reports] collects what browsers tell of both. Over plain http browsers send
// reports by ReportURI only; by ReportTo they send them within about a minute.
//
// # What it does not do
//
// It reads X-Forwarded-Host only if Proxies.HostHeader names it, and only from a
// trusted proxy: better let the proxy pass Host on. It cannot reach what net/http
// responds itself before any handler runs (a malformed
// request, 431), nor what a handler writes to the connection or to the writer
// below without asking for the header map again: after Hijack, take what
// w.Header() returns then. A layer in between with a header map of its own, such
// as http.TimeoutHandler, sets what its handler set: a backend's header then
// replaces ours, so give a proxy's Transport the timeouts; event streams and
// WebSockets fail at once behind one that can neither flush nor hijack. A trusted proxy on a
// Unix socket has no address: believe it with Proxies.UnixSocket.
// Cross-origin access is the package cors.
package headers

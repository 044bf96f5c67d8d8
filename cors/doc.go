// Package cors lets named web origins read this server's responses from a
// browser: the server's side of the CORS protocol of the Fetch standard.
//
// A browser lets a page send nearly any request to any server, but shows the
// response to the page's scripts only if the server names the page's origin.
// This package names the origins that a [Config] lists, and nobody else. It
// stops a policy from being wider than it reads: origins are compared byte for
// byte after a strict parse, dangerous combinations are refused by [New], and
// no header that a backend or an inner handler sets can widen the response, nor
// one that an outer layer has set, in whatever letters its name is. The headers are
// written when the response goes out: a handler does not find them in the map that
// w.Header returns, and cannot take them out of it.
//
// Place it inside headers (hosts, HTTPS) and outside every layer that refuses
// (throttle, auth, sanitize), so that an allowed origin's script can read why
// it was refused. It responds to preflights itself, so layers that ask for
// credentials never see them.
//
// It widens access and never narrows it: a denied origin's simple request
// still reaches the handler, and only its response stays hidden, unless
// [Config.Enforce] is set. The gate against forged requests is headers.CSRF.
//
// What only a program sends is refused, also where it would be harmless: a preflight
// with Access-Control-Request-Headers in upper case or not sorted, such as curl sends
// it if one types "Content-Type, Authorization". Browsers send the names in lower
// case, sorted, each once (Fetch, "CORS-unsafe request-header names"), so any other
// list is no browser's; type "authorization,content-type".
//
// Cookies reach a server from another site's page only with [Config.Credentials], a
// fetch with credentials: "include", and SameSite=None and Secure on the cookie itself,
// where the browser lets sites set such cookies at all. A page of the same site needs
// no SameSite=None: app.example.com for api.example.com.
//
// CORS is no access control either: programs that are not browsers send whatever
// Origin they like.
package cors

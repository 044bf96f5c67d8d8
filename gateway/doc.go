// Package gateway is a reverse proxy that speaks Kong: it reads Kong's
// declarative files (_format_version 1.1, 2.1 and 3.0) and serves its Admin API, and each of
// its plugins is one of rampart's packages. The command gateway/cmd/gateway is
// this package with flags. It is a module of its own: go get
// github.com/ecolaura/rampart/gateway.
//
//	g, err := gateway.New(gateway.Config{File: "kong.yml"})
//	if err != nil {
//		return err
//	}
//	defer g.Close()
//	return g.Serve(ctx, gateway.Listeners{Proxy: ln})
//
// # What it stops
//
// What its plugins stop, in front of an upstream in any language: floods
// (rate-limiting, plans), strangers (key-auth, jwt, acl, ip-restriction),
// pages of other origins (cors), missing browser protections (security-headers),
// large bodies (request-size-limiting). And by itself: slow bodies, ambiguous paths
// and methods, headers that impersonate a consumer or a proxy, requests for
// another protocol, and web pages that send requests to the Admin API.
//
// # Where it stands
//
// In front of the upstreams, behind a load balancer or none. A [Gateway] is an
// [net/http.Handler] for the proxy, [Gateway.Admin] one for the Admin API, which
// belongs on a loopback address or behind Config.AdminToken. A change, by a file,
// by [Gateway.Use] or by the Admin API, is checked as a whole and takes effect
// between two requests, or not at all.
//
// # What it does not do
//
// It ignores nothing: an unknown field or plugin is an error, reported with its
// line. It has no cluster and no HTTP/2 to upstreams, and it buffers no body. Its
// configuration is in no database; Config.DB is for quotas. It brings no driver, and no
// client for Redis: Config.Redis is a function of yours that sends a command. docs/gateway.md lists
// the plugins, and where they differ from Kong's.
package gateway

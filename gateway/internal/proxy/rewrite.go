package proxy

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/router"
)

// rewrite turns the client's request into the upstream's.
func (s *Service) rewrite(pr *httputil.ProxyRequest) {
	c := call.From(pr.In.Context())
	out := pr.Out
	if c.UpstreamPath == "" {
		c.UpstreamPath = router.Upstream(s.conf.Path, c.Route, c.Matched, c.Path)
	}
	path := c.UpstreamPath
	out.URL.Scheme = s.conf.Protocol
	out.URL.RawQuery = pr.In.URL.RawQuery // as it came: it is the upstream's to judge
	if len(c.HideQuery) > 0 {
		out.URL.RawQuery = call.Without(pr.In.URL.RawQuery, c.HideQuery)
	}
	out.URL.Path, out.URL.RawPath = path, ""
	if strings.IndexByte(path, '%') >= 0 {
		if plain, err := url.PathUnescape(path); err == nil {
			out.URL.Path, out.URL.RawPath = plain, path
		}
	}
	out.Host = pr.In.Host
	out.Trailer = nil // a header that comes when nobody looks any more
	s.forwardHeaders(c, pr.In, out.Header)
}

// forwardHeaders says who asks and how, in headers that only this gateway and
// the proxies before it write.
func (*Service) forwardHeaders(c *call.Call, in *http.Request, h http.Header) {
	for name := range h {
		if call.Reserved(name) {
			delete(h, name)
		}
	}
	// ReverseProxy has put back what asks for another protocol. Behind a 101 no
	// plugin sees anything, so only WebSockets may have one: never h2c, in which
	// any other route of the upstream could be asked for (RFC 9113 appendix A).
	if !strings.EqualFold(h.Get("Upgrade"), "websocket") {
		delete(h, "Upgrade")
		delete(h, "Connection")
	}
	for _, name := range c.HideHeaders {
		h.Del(name)
	}
	peer := c.Peer.String()
	set := func(name, value string) {
		if c.Trusted { // a proxy before this one knows better
			if old := in.Header[name]; len(old) > 0 {
				value = old[len(old)-1]
			}
		}
		h[name] = []string{value}
	}
	forwarded := peer
	if before := in.Header["X-Forwarded-For"]; c.Trusted && len(before) > 0 {
		forwarded = strings.Join(before, ", ") + ", " + peer
	}
	h["X-Forwarded-For"] = []string{forwarded}
	h["X-Forwarded-Proto"] = []string{c.Scheme} // what routes and plugins went by
	h["X-Forwarded-Host"] = []string{in.Host}   // never a proxy's word: routes have gone by Host
	set("X-Forwarded-Port", strconv.Itoa(c.Port))
	h["X-Forwarded-Path"] = []string{c.Path}
	if c.Route.StripPath && c.Matched > 0 {
		h["X-Forwarded-Prefix"] = []string{c.Path[:c.Matched]}
	}
	h["X-Real-Ip"] = []string{c.Client.String()}
	c.Identity(func(name, value string) { h[name] = []string{value} })
	for pair := range slices.Chunk(c.SetHeaders, 2) {
		h.Set(pair[0], pair[1])
	}
	for _, name := range c.DropHeaders {
		delete(h, name)
	}
}

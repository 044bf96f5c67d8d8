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
	forwardHeaders(c, pr.In, out)
}

// ours is how many headers a request gets here, or more.
const ours = 16

// forwardHeaders says who asks and how, in headers that only this gateway and
// the proxies before it write.
func forwardHeaders(c *call.Call, in, out *http.Request) {
	h := make(http.Header, len(out.Header)+ours) // which need not grow
	for name, values := range out.Header {
		if !call.Reserved(name) {
			h[name] = values
		}
	}
	out.Header = h
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
	values := make([]string, 0, ours) // one allocation for all
	put := func(name, value string) {
		if value != "" {
			values = append(values, value)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	peer := c.Peer.String()
	client, forwarded, port := peer, peer, strconv.Itoa(c.Port)
	if c.Client != c.Peer {
		client = c.Client.String()
	}
	if c.Trusted { // a proxy before this one knows better
		if before := in.Header["X-Forwarded-For"]; len(before) > 0 {
			forwarded = strings.Join(before, ", ") + ", " + peer
		}
		if before := in.Header["X-Forwarded-Port"]; len(before) > 0 {
			port = before[len(before)-1]
		}
	}
	put("X-Forwarded-For", forwarded)
	put("X-Forwarded-Proto", c.Scheme) // what routes and plugins went by
	put("X-Forwarded-Host", in.Host)   // never a proxy's word: routes have gone by Host
	put("X-Forwarded-Port", port)
	put("X-Forwarded-Path", c.Path)
	if c.Route.StripPath && c.Matched > 0 {
		put("X-Forwarded-Prefix", c.Path[:c.Matched])
	}
	put("X-Real-Ip", client)
	c.Identity(put)
	for pair := range slices.Chunk(c.SetHeaders, 2) {
		h.Set(pair[0], pair[1])
	}
	for _, name := range c.DropHeaders {
		delete(h, name)
	}
}

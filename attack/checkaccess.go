package attack

import (
	"context"
	"maps"
	"net/http"
	"strings"
)

// scopes asks as Bob for what only Alice may.
func (s *scan) scopes(ctx context.Context, c *Client) {
	for _, r := range s.target.Scoped {
		if !s.alice.begun() || !s.bob.begun() {
			return
		}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(noToken, "", c.wire(r), "status %d", got.Status)
			continue
		}
		if _, ok := s.expect(ctx, c, s.as(s.alice, r), "auth", "Alice"); !ok {
			continue
		}
		if got, ok := s.send(ctx, c, s.as(s.bob, r)); ok && served(got) {
			s.found(scopeMissing, "", c.wire(s.as(s.bob, r)), "status %d", got.Status)
		}
	}
}

// as is r with a session's token.
func (s *scan) as(who Session, r Request) Request {
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	maps.Copy(r.Header, who.header())
	return r
}

// objects asks as Bob, and as nobody, for something of Alice's; then as Alice.
func (s *scan) objects(ctx context.Context, c *Client) {
	if s.target.Own == nil || !s.alice.begun() || !s.bob.begun() {
		return
	}
	own, err := s.target.Own(ctx, c, s.alice)
	if err != nil {
		s.found(misdescribed, "", "", "Own: %v", err)
		return
	}
	attempts := []Request{own}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		r := Request{Method: method, Path: own.Path}
		if method == http.MethodPut || method == http.MethodPatch {
			r.Body = "{}"
		}
		attempts = append(attempts, r)
	}
	taken := false
	for _, r := range attempts {
		for _, attempt := range []Request{r, s.as(s.bob, r)} {
			if got, ok := s.send(ctx, c, attempt); ok && served(got) {
				taken = true
				s.found(othersObject, "", c.wire(attempt), "status %d", got.Status)
			}
		}
	}
	if !taken { // else it may be gone
		s.expect(ctx, c, s.as(s.alice, own), "", "Alice's own")
	}
}

// spellings asks for Secure without a token, by paths that a proxy and the
// service, or two layers of it, may read differently.
func (s *scan) spellings(ctx context.Context, c *Client) {
	path := s.target.Secure
	if path == "" || s.open || !s.bob.begun() {
		return
	}
	private, ok := s.send(ctx, c, Request{Path: path, Header: s.bob.header()})
	if !ok || !served(private) || len(private.Body) == 0 {
		return
	}
	trimmed := strings.TrimSuffix(path, "/")
	last := strings.LastIndexByte(trimmed, '/')
	dir, name := trimmed[:last], trimmed[last+1:]
	variants := []string{
		trimmed, trimmed + "/", "/" + path, "//" + path, path + "/", dir + "//" + name, dir + "/./" + name, path + ".", path + "/.", "/x/.." + path,
		dir + "/x/../" + name, dir + "/x/..;/" + name, dir + "%2f" + name, dir + "/%2e/" + name, dir + "\\" + name, strings.ToUpper(path),
		dir + "/" + percent(name), path + "%00", path + "%20", path + "%09", trimmed + ";x=y", trimmed + "/;x=y", trimmed + ".json", path + "?x=/../", path + "#x",
		"http://" + s.base.Host + s.at(path), "/" + percent("%") + percent(path[1:]),
	}
	if s.target.Public != "" {
		variants = append(variants, strings.TrimSuffix(s.target.Public, "/")+"/.."+strings.Repeat("/..", strings.Count(strings.Trim(s.target.Public, "/"), "/"))+path)
	}
	check := func(r Request) {
		got, err := c.sendRaw(ctx, r)
		if err == nil && served(got) && string(got.Body) == string(private.Body) {
			s.found(pathConfusion, "", c.wire(r), "the private answer, without a token")
		}
	}
	for _, v := range variants {
		check(Request{Path: v})
	}
	for _, header := range []string{"X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Uri", "X-Forwarded-Path"} {
		for _, at := range []string{"/", s.target.Public} {
			if at != "" {
				check(Request{Path: at, Header: http.Header{header: {path}}})
			}
		}
	}
}

// percent encodes each byte of a path but slashes.
func percent(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '/' {
			b.WriteByte('/')
			continue
		}
		b.WriteString("%" + string(digits[s[i]>>4]) + string(digits[s[i]&15]))
	}
	return b.String()
}

// methods asks Public for a method that it does not have, with a good one in a
// header or parameter; and for TRACE.
func (s *scan) methods(ctx context.Context, c *Client) {
	s.verbs(ctx, c)
	path := s.target.Public
	if path == "" {
		return
	}
	base := Request{Method: http.MethodPost, Path: path, Body: "{}"}
	if got, ok := s.send(ctx, c, base); ok && !served(got) {
		for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
			r := base
			r.Header = http.Header{name: {http.MethodGet}}
			if got, ok := s.send(ctx, c, r); ok && served(got) {
				s.found(methodOverride, "", c.wire(r), "status %d, without the header not", got.Status)
			}
		}
		for _, r := range []Request{
			{Method: http.MethodPost, Path: path + "?_method=GET", Body: "{}"},
			{Method: http.MethodPost, Path: path, Body: "_method=GET", ContentType: "application/x-www-form-urlencoded"},
		} {
			if got, ok := s.send(ctx, c, r); ok && served(got) {
				s.found(methodOverride, "", c.wire(r), "status %d, without the parameter not", got.Status)
			}
		}
	}
	r := Request{Method: http.MethodTrace, Path: path, Header: http.Header{"X-Attack": {"trace-marker"}}}
	if got, ok := s.send(ctx, c, r); ok && served(got) && strings.Contains(string(got.Body), "trace-marker") {
		s.found(traceEcho, "", c.wire(r), "status %d", got.Status)
	}
}

// verbs asks for Secure without a token, by other methods than GET. PUT, PATCH and
// DELETE are not among them, as they may do what they say.
func (s *scan) verbs(ctx context.Context, c *Client) {
	path := s.target.Secure
	if path == "" || s.open || !s.bob.begun() {
		return
	}
	private, ok := s.send(ctx, c, Request{Path: path, Header: s.bob.header()})
	if !ok || !served(private) || len(private.Body) == 0 {
		return
	}
	for _, method := range []string{http.MethodHead, http.MethodOptions, http.MethodPost, "PROPFIND", "get", "GETX"} {
		r := Request{Method: method, Path: path}
		var got Response
		var err error
		if method == http.MethodHead {
			got, err = c.Send(ctx, r)
		} else {
			got, err = c.sendRaw(ctx, r)
		}
		if err == nil && served(got) && (method == http.MethodHead || string(got.Body) == string(private.Body)) {
			s.found(verbTampering, "", c.wire(r), "status %d without a token, to GET not", got.Status)
		}
	}
}

// apiKeys attacks KeyPath with keys that do not exist.
func (s *scan) apiKeys(ctx context.Context, c *Client) {
	path, key := s.target.KeyPath, s.target.Key
	if path == "" {
		return
	}
	header := s.target.KeyHeader
	if header == "" {
		header = "X-API-Key"
	}
	with := func(key string) Request {
		return Request{Path: path, Header: http.Header{http.CanonicalHeaderKey(header): {key}}}
	}
	for _, r := range []Request{{Path: path}, with(""), with("null"), with("*"), with("' OR '1'='1")} {
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(keyMissing, "", c.wire(r), "status %d", got.Status)
			return
		}
	}
	for i, ended := range s.target.EndedKeys {
		r := with(ended)
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(keyEnded, "", c.wire(r), "number %d: status %d", i+1, got.Status)
		}
	}
	if len(key) < 16 {
		return
	}
	if _, ok := s.expect(ctx, c, with(key), "apikey", "a good API key"); !ok {
		return
	}
	middle := len(key) / 2
	wrong := map[string]string{
		"without its last character": key[:len(key)-1], "with a character more": key + "A", "in upper case": strings.ToUpper(key), "in lower case": strings.ToLower(key),
		"its first half": key[:middle], "its last character changed": key[:len(key)-1] + other(key[len(key)-1]),
		"a character changed in the middle": key[:middle] + other(key[middle]) + key[middle+1:], "with a comma and more": key + ",x", "of zeros": strings.Repeat("0", len(key)),
	}
	for how, k := range wrong {
		if k == key {
			continue
		}
		r := with(k)
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(keyLoose, "", c.wire(r), "the key %s: status %d", how, got.Status)
		}
	}
	for _, name := range []string{"api_key", "apikey", "key", header} {
		r := Request{Path: path + "?" + name + "=" + key}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(keyLoose, "", c.wire(r), "the key in the query, which is logged: status %d", got.Status)
		}
	}
	// One key that exists as far as its first half goes, one that cannot.
	near, ok1 := s.send(ctx, c, with(key[:len(key)-1]+other(key[len(key)-1])))
	far, ok2 := s.send(ctx, c, with(key[:middle/2]+other(key[middle/2])+key[middle/2+1:]))
	if ok1 && ok2 && (near.Status != far.Status || string(near.Body) != string(far.Body)) {
		s.found(keyOracle, "", "", "status %d, %.200s for a wrong secret; status %d, %.200s for an unknown key", near.Status, near.Body, far.Status, far.Body)
	}
}

func other(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

package attack

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// forgedByPages does with Alice's cookies what a page of another site can do: it
// sends a form, or text that looks like JSON, without what proves that it comes
// from the service's own page.
func (s *scan) forgedByPages(ctx context.Context, c *Client) {
	w := s.target.Write
	if w.Path == "" || s.alice.Header.Get("Cookie") == "" {
		return
	}
	w.Method = or(w.Method, http.MethodPost)
	if _, ok := s.expect(ctx, c, s.as(s.alice, w), "", "Write"); !ok {
		return
	}
	kinds := []string{"text/plain", "application/x-www-form-urlencoded"}
	if w.ContentType != "" && !strings.HasPrefix(w.ContentType, "application/json") {
		kinds = []string{w.ContentType}
	}
	for _, from := range []http.Header{
		{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
		{"Origin": {"https://evil.example"}},
		{"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}},
		{"Referer": {"https://evil.example/"}, "Sec-Fetch-Site": {"cross-site"}},
	} {
		for _, kind := range kinds {
			r := w
			r.ContentType = kind
			r.Header = from.Clone()
			r.Header.Set("Cookie", s.alice.Header.Get("Cookie"))
			if got, ok := s.send(ctx, c, r); ok && served(got) {
				s.found(csrf, "", c.wire(r), "status %d for %s of another site", got.Status, kind)
				return
			}
		}
	}
}

// sessions looks at what becomes of a session of cookies at log-in and log-out.
func (s *scan) sessions(ctx context.Context, c *Client) {
	if s.target.Secure == "" || s.open || s.bob.Header.Get("Cookie") == "" {
		return
	}
	for pair := range strings.SplitSeq(s.bob.Header.Get("Cookie"), "; ") {
		name, value, _ := strings.Cut(pair, "=")
		planted := strings.Repeat("a", max(len(value), 8))
		if csrf := strings.ToLower(name); strings.Contains(csrf, "csrf") || strings.Contains(csrf, "xsrf") {
			continue
		}
		c.extra = http.Header{"Cookie": {name + "=" + planted}}
		if _, err := s.target.Login(ctx, c, s.target.Bob); err != nil && c.last.Status >= 400 {
			c.extra = nil
			continue
		}
		c.extra = nil
		r := Request{Path: s.target.Secure, Header: http.Header{"Cookie": {name + "=" + planted}}}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(sessionFixed, "", c.wire(r), "status %d for a cookie that was there before the log-in", got.Status)
		}
	}
	if s.target.Logout == "" {
		return
	}
	session, ok := s.logInAs(ctx, c, s.target.Bob, "Bob")
	if !ok {
		return
	}
	private := s.as(session, Request{Path: s.target.Secure})
	if _, ok := s.expect(ctx, c, private, "auth", "Secure with a new session"); !ok {
		return
	}
	got, ok := s.send(ctx, c, s.as(session, Request{Method: http.MethodPost, Path: s.target.Logout}))
	if !ok {
		return
	}
	if got.Status >= 400 {
		s.found(misdescribed, "auth", c.wire(Request{Method: http.MethodPost, Path: s.target.Logout}), "log-out: status %d", got.Status)
		return
	}
	if got, ok := s.send(ctx, c, private); ok && served(got) {
		s.found(sessionEnded, "", c.wire(private), "status %d with the cookies of a session that was ended", got.Status)
	}
}

var (
	// RFC 7518 sections 6.2.2, 6.3.2 and 6.4.
	privateMember = regexp.MustCompile(`"(d|p|q|dp|dq|qi|k)"\s*:\s*"[\w-]{8,}"`)                                                                                          // read-only
	secretClaim   = regexp.MustCompile(`(?i)"[\w-]*(password|passwd|pwd|secret|api_?key|private_?key)[\w-]*"\s*:\s*"[^"]{4,}"|pbkdf2_sha256\$|\$2[aby]\$\d\d\$|\$argon2`) // read-only
)

// shown looks for secrets in key sets, and in tokens, which their holders can read.
func (s *scan) shown(ctx context.Context, c *Client) {
	if s.target.JWKS != "" {
		r := Request{Path: s.target.JWKS}
		if got, ok := s.send(ctx, c, r); ok && served(got) && privateMember.Match(got.Body) {
			s.found(privateJWKS, "", c.wire(r), "a key has the member %.6q", privateMember.FindSubmatch(got.Body)[1])
		}
	}
	for name, token := range map[string]string{"an access token": s.bob.Access, "a refresh token": s.bob.Refresh} {
		parts := strings.Split(token, ".")
		if len(parts) != 3 || decode(parts[1]) == nil {
			continue
		}
		claims, err := json.Marshal(decode(parts[1]))
		if hit := secretClaim.FindSubmatch(claims); err == nil && hit != nil {
			s.found(tokenSecrets, "", "", "%s has a claim that is called like a secret, or holds the hash of a password", name)
		}
	}
}

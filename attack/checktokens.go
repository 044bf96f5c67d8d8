package attack

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// tokens attacks Secure: without a token, with forged ones, an expired one, one
// in the query.
func (s *scan) tokens(ctx context.Context, c *Client) {
	path := s.target.Secure
	if path == "" {
		s.openRoutes(ctx, c)
		return
	}
	for _, value := range []string{"", "Bearer", "Bearer ", "Bearer null", "Bearer undefined", "Basic YWRtaW46YWRtaW4="} {
		r := Request{Path: path}
		if value != "" {
			r.Header = http.Header{"Authorization": {value}}
		}
		got, ok := s.send(ctx, c, r)
		if !ok {
			return
		}
		if served(got) {
			s.open = true
			s.found(noToken, "", c.wire(r), "status %d with Authorization %q", got.Status, value)
			return
		}
	}
	if !s.bob.begun() {
		return
	}
	if _, ok := s.expect(ctx, c, Request{Path: path, Header: s.bob.header()}, "auth", "Secure with Bob's token"); !ok {
		return
	}
	s.openRoutes(ctx, c)
	if s.bob.Access == "" {
		return
	}
	for _, f := range s.forge(ctx, c, s.bob.Access) {
		r := Request{Path: path, Header: bearer(f.token)}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(forgedToken, "", c.wire(r), "%s: status %d", f.how, got.Status)
		}
	}
	if s.target.Expired != "" {
		r := Request{Path: path, Header: bearer(s.target.Expired)}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(expiredToken, "", c.wire(r), "status %d", got.Status)
		}
	}
	for _, name := range []string{"access_token", "token", "jwt", "auth"} { // RFC 6750 section 2.3: not recommended, as URLs are logged
		r := Request{Path: path + "?" + name + "=" + s.bob.Access}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(tokenInQuery, "", c.wire(r), "status %d", got.Status)
		}
	}
}

// openRoutes asks for the other private routes without a token, and with a damaged one.
func (s *scan) openRoutes(ctx context.Context, c *Client) {
	for _, place := range s.places() {
		if !place.Private || place.Path == s.target.Secure {
			continue
		}
		r := Request{Path: place.Path}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(noToken, "", c.wire(r), "status %d without a token", got.Status)
			continue
		}
		if s.bob.Access == "" {
			continue
		}
		r.Header = bearer(s.bob.Access[:len(s.bob.Access)-1] + other(s.bob.Access[len(s.bob.Access)-1]))
		if parts := strings.Split(s.bob.Access, "."); len(parts) == 3 {
			r.Header = bearer(parts[0] + "." + parts[1] + "." + flip(parts[2]))
		}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(forgedToken, "", c.wire(r), "a bit of the signature changed: status %d", got.Status)
		}
	}
}

// kinds uses each kind of credential where another is asked for.
func (s *scan) kinds(ctx context.Context, c *Client) {
	if s.target.Secure != "" && !s.open {
		for name, credential := range map[string]string{"a refresh token": s.bob.Refresh, "an API key": s.target.Key} {
			r := Request{Path: s.target.Secure, Header: bearer(credential)}
			if credential == "" {
				continue
			}
			if got, ok := s.send(ctx, c, r); ok && served(got) {
				s.found(tokenKind, "", c.wire(r), "%s in place of an access token: status %d", name, got.Status)
			}
		}
	}
	if s.target.Refresh != "" && s.bob.Access != "" {
		r := refreshWith(s.target.Refresh, s.bob.Access)
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(tokenKind, "", c.wire(r), "an access token in place of a refresh token: status %d", got.Status)
		}
	}
}

// refreshWith is a POST of a refresh token.
func refreshWith(path, token string) Request {
	body, err := json.Marshal(map[string]string{"refresh": token})
	if err != nil { // unreachable: strings always marshal
		return Request{}
	}
	return Request{Method: http.MethodPost, Path: path, Body: string(body)}
}

// refresh uses a refresh token, its successor, and then the first again.
func (s *scan) refresh(ctx context.Context, c *Client) {
	if s.target.Refresh == "" {
		return
	}
	session, ok := s.logInAs(ctx, c, s.target.Bob, "Bob")
	if !ok || session.Refresh == "" {
		return
	}
	token := session.Refresh
	for range 2 {
		got, ok := s.expect(ctx, c, refreshWith(s.target.Refresh, token), "auth", "a good refresh token")
		if !ok {
			return
		}
		var next struct{ Access, Refresh string }
		if json.Unmarshal(got.Body, &next) == nil && next.Refresh != "" {
			token = next.Refresh
			s.name(next.Refresh, "<Bob's next refresh token>")
		}
		s.name(next.Access, "<Bob's next access token>")
	}
	r := refreshWith(s.target.Refresh, session.Refresh)
	if got, ok := s.send(ctx, c, r); ok && served(got) {
		s.found(refreshReuse, "", c.wire(r), "status %d, after it and its successor were used", got.Status)
	}
}

// logOut ends a session and goes on with it.
func (s *scan) logOut(ctx context.Context, c *Client) {
	if s.target.Logout == "" || s.target.Refresh == "" {
		return
	}
	session, ok := s.logInAs(ctx, c, s.target.Bob, "Bob")
	if !ok || session.Refresh == "" {
		return
	}
	if _, ok := s.expect(ctx, c, refreshWith(s.target.Logout, session.Refresh), "auth", "log-out"); !ok {
		return
	}
	r := refreshWith(s.target.Refresh, session.Refresh)
	if got, ok := s.send(ctx, c, r); ok && served(got) {
		s.found(afterLogout, "", c.wire(r), "status %d", got.Status)
	}
}

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
	if s.bob.Access == "" {
		return
	}
	if _, ok := s.expect(ctx, c, Request{Path: path, Header: bearer(s.bob.Access)}, "auth", "Secure with Bob's token"); !ok {
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

// accounts guesses passwords, and looks for what wrong ones tell.
func (s *scan) accounts(ctx context.Context, c *Client) {
	if s.target.Bob.Name == "" {
		return
	}
	wrong := func(name, password string) (Response, bool) {
		c.last = Response{}
		_, err := s.target.Login(ctx, c, Account{name, password})
		if err == nil {
			s.found(guessing, "auth", "", "%s can log in with a password that is not theirs", name)
		}
		return c.last, err != nil && c.last.Status != 0
	}
	known, ok1 := wrong(s.target.Bob.Name, "attack-1")
	unknown, ok2 := wrong("attack-nobody", "attack-1")
	if !ok1 || !ok2 {
		return
	}
	if known.Status != http.StatusTooManyRequests && (known.Status != unknown.Status || string(known.Body) != string(unknown.Body)) {
		s.found(userOracle, "", "", "a wrong password: status %d, %.200s; an unknown account: status %d, %.200s", known.Status, known.Body, unknown.Status, unknown.Body)
	}
	if s.target.Guesses == 0 {
		return
	}
	limited := func(from int) bool {
		for i := from; i <= s.target.Guesses; i++ {
			if got, ok := wrong(s.target.Bob.Name, "attack-"+itoa(i)); !ok || got.Status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	if !limited(2) {
		s.found(guessing, "", "", "%d wrong passwords for one account from one address, and no 429", s.target.Guesses)
		return
	}
	for _, spoof := range s.spoofs() {
		c.extra = spoof
		if got, ok := wrong(s.target.Bob.Name, "attack-x"); ok && got.Status != http.StatusTooManyRequests {
			s.found(limitEvaded, "", "", "log-ins are limited, but not with %s", names(spoof))
		}
	}
	c.extra = nil
}

// spoofs are headers that claim another client.
func (s *scan) spoofs() []http.Header {
	var all []http.Header
	for i, name := range []string{
		"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP",
		"X-Originating-IP", "X-Remote-IP", "X-Remote-Addr", "Fastly-Client-IP", "X-Forwarded", "Via", "User-Agent", "X-API-Key",
	} {
		value := "192.0.2." + itoa(i+1)
		if name == "Forwarded" {
			value = "for=" + value
		}
		all = append(all, http.Header{http.CanonicalHeaderKey(name): {value}})
	}
	return append(all, http.Header{"X-Forwarded-For": {"192.0.2.99", "192.0.2.100"}})
}

func names(h http.Header) string {
	var all []string
	for name, values := range h {
		all = append(all, name+": "+strings.Join(values, ", "))
	}
	return strings.Join(all, "; ")
}

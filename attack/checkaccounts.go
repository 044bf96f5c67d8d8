package attack

import (
	"context"
	"net/http"
	"strings"
)

// wrong tries a password that is not the account's; false if that says nothing.
func (s *scan) wrong(ctx context.Context, c *Client, name, password string) (Response, bool) {
	c.last = Response{}
	_, err := s.target.Login(ctx, c, Account{name, password})
	if err == nil {
		s.found(guessing, "auth", "", "%s can log in with a password that is not theirs", name)
	}
	return c.last, err != nil && c.last.Status != 0
}

// accounts guesses passwords, and looks for what wrong ones tell.
func (s *scan) accounts(ctx context.Context, c *Client) {
	bob := s.target.Bob.Name
	if bob == "" {
		return
	}
	known, ok1 := s.wrong(ctx, c, bob, "attack-1")
	unknown, ok2 := s.wrong(ctx, c, "attack-nobody", "attack-1")
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
			if got, ok := s.wrong(ctx, c, bob, "attack-"+itoa(i)); !ok || got.Status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	if !limited(2) {
		s.found(guessing, "", "", "%d wrong passwords for one account from one address, and no 429", s.target.Guesses)
		return
	}
	// With another status the header itself is refused.
	within := map[int]bool{known.Status: true, unknown.Status: true, http.StatusUnauthorized: true}
	delete(within, http.StatusTooManyRequests)
	for _, spoof := range s.spoofs() {
		c.extra = spoof
		if got, ok := s.wrong(ctx, c, bob, "attack-x"); ok && within[got.Status] {
			s.found(limitEvaded, "", "", "log-ins are limited, but not with %s", names(spoof))
		}
	}
	c.extra = nil
}

// strangers guess the password of one account, each of them once. Bob then logs
// in from where he was before.
func (s *scan) strangers(ctx context.Context, c *Client) {
	if s.target.AccountGuesses == 0 || c.proxy == "" && !c.from.IsValid() {
		return
	}
	limited := false
	for i := 1; i <= s.target.AccountGuesses && !limited; i++ {
		got, ok := s.wrong(ctx, s.newClient(), s.target.Bob.Name, "attack-"+itoa(i))
		if !ok {
			return
		}
		limited = got.Status == http.StatusTooManyRequests
	}
	if !limited {
		s.found(guessingByMany, "", "", "%d wrong passwords, each from another address, and no 429", s.target.AccountGuesses)
		return
	}
	if _, err := s.target.Login(ctx, s.known, s.target.Bob); err != nil {
		s.found(lockedOut, "", "", "after wrong passwords from many addresses Bob cannot log in from the one that he used before: %v", err)
	}
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

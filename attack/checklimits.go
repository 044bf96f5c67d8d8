package attack

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// limits fills each limit, and tries to get around it.
func (s *scan) limits(ctx context.Context, _ *Client) {
	for _, l := range s.target.Limits {
		s.limit(ctx, l)
	}
}

func (s *scan) limit(ctx context.Context, l Limit) {
	r := l.Request
	switch {
	case l.As != nil:
		session, ok := s.logInAs(ctx, s.newClient(), *l.As, l.As.Name)
		if !ok {
			return
		}
		r = s.as(session, r)
	case l.Bad:
		r = s.as(Session{Access: "attack." + htmlMark + ".attack"}, r)
	}
	c := s.newClient()
	sent := 0
	numbered := func() Request {
		sent++
		n := r
		n.Body = strings.ReplaceAll(r.Body, "{n}", itoa(sent))
		return n
	}
	began := time.Now()
	within := map[int]bool{} // the statuses of requests that the limit let pass
	for i := range l.Count {
		got, ok := s.send(ctx, c, numbered())
		if !ok {
			return
		}
		if got.Status == http.StatusTooManyRequests {
			s.found(limitEarly, l.Layer, c.wire(r), "%s: request %d of %d is refused", l.Name, i+1, l.Count)
			return
		}
		within[got.Status] = true
	}
	more := 1
	if l.Refill > 0 {
		more += int(time.Since(began)/l.Refill) + 1
	}
	var got Response
	for range more {
		var ok bool
		if got, ok = s.send(ctx, c, numbered()); !ok {
			return
		}
		if got.Status == http.StatusTooManyRequests {
			break
		}
	}
	if got.Status != http.StatusTooManyRequests {
		s.found(limitMissing, l.Layer, c.wire(r), "%s: request %d is answered with status %d", l.Name, sent, got.Status)
		return
	}
	if got.Header.Get("Retry-After") == "" {
		s.found(noRetryAfter, l.Layer, c.wire(r), "%s", l.Name)
	}
	// Each try may find a token that has come back by now, so it must pass twice. Another
	// status is no pass: the header itself may be refused.
	evades := func(c *Client, query string) bool {
		for range 2 {
			n := numbered()
			n.Path += query
			if got, ok := s.send(ctx, c, n); !ok || !within[got.Status] {
				return false
			}
		}
		return true
	}
	for _, spoof := range s.spoofs() {
		c.extra = spoof
		if evades(c, "") {
			s.found(limitEvaded, "", c.wire(r), "%s: refused without the header, not with it", l.Name)
		}
	}
	c.extra = nil
	if evades(c, "?attack=1") {
		s.found(limitEvaded, l.Layer, c.wire(r), "%s: refused without a query, not with ?attack=1", l.Name)
	}
	if another := s.newClient(); l.As == nil && !l.Keyed && (another.from.IsValid() || another.proxy != "") {
		if got, ok := s.send(ctx, another, numbered()); ok && got.Status == http.StatusTooManyRequests {
			s.found(clientsAsOne, "", another.wire(r), "%s: one client fills it for all", l.Name)
		}
	}
}

// blocked asks from the addresses that are to be refused.
func (s *scan) blocked(ctx context.Context, _ *Client) {
	for _, b := range s.target.Blocked {
		c := s.clientAt(b.Addr)
		r := Request{Path: s.target.Public}
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(blockedServed, b.Layer, c.wire(r), "status %d for %s", got.Status, b.Addr)
		}
	}
}

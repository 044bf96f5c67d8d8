package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
)

// refreshExpiry is simplejwt's claim that says until when a sliding token can
// be renewed.
const refreshExpiry = "refresh_exp"

// IssueSlidingHandler responds to POST {username, password} with {token}: a log-in that
// gets one sliding token in place of a pair. It is good for AccessTTL and can
// be renewed, while it is good, until RefreshTTL has passed.
//
// A sliding token travels with every request and can be renewed as often as
// its holder likes, so a stolen one is not noticed: prefer [Service.IssueHandler].
// A verifier whose RequestKind is [auth.Sliding] lets its requests in.
func (s *Service) IssueSlidingHandler() http.Handler {
	return post(s, s.readLogin, func(w http.ResponseWriter, r *http.Request, form loginRequest) (response, error) {
		return s.login(w, r, form, s.beginSliding)
	})
}

// beginSliding begins a session that ends when its token can no longer be
// renewed.
func (s *Service) beginSliding(ctx context.Context, in login) (response, error) {
	sess := s.newSession(in)
	sess.Ends = sess.Expires
	wanted, err := s.withShared(ctx, in.subject, nil)
	if err != nil {
		return response{}, err
	}
	claims, err := s.accessClaims(ctx, in.subject, wanted)
	if err != nil {
		return response{}, err
	}
	text, err := s.sliding(ctx, sess, sess.Ends, markFresh(wanted, claims))
	if err != nil {
		return response{}, err
	}
	return response{Token: text, ExpiresIn: s.livesFor(sess.Ends)}, s.keep(ctx, sess)
}

// SlideHandler responds to POST {token} with {token}: a sliding token that is still good
// is renewed, until the time in its claim refresh_exp.
func (s *Service) SlideHandler() http.Handler {
	return post(s, s.readToken, func(_ http.ResponseWriter, r *http.Request, form tokenRequest) (response, error) {
		text, until, err := s.slide(r.Context(), form.Token)
		return response{Token: text, ExpiresIn: s.livesFor(until)}, err
	})
}

func (s *Service) slide(ctx context.Context, raw string) (text string, until time.Time, err error) {
	t, err := s.v.Verify(ctx, raw, auth.Sliding)
	if err != nil {
		return "", until, err
	}
	until, ok := refreshableUntil(t)
	if !ok {
		return "", until, refused(auth.TokenClaims)
	}
	if !s.tokens.Now().Before(until) {
		return "", until, refused(auth.TokenExpired)
	}
	if err := s.checkRevoked(ctx, t); err != nil { // by its own jti
		return "", until, err
	}
	sess, err := s.rowOf(ctx, t, until)
	if err != nil {
		return "", until, err
	}
	if sess.Blacklisted {
		return "", until, refused(auth.TokenRevoked)
	}
	if err := s.checkActive(ctx, t.Subject()); err != nil {
		return "", until, err
	}
	custom := s.custom(t)
	claims, err := s.accessClaims(ctx, t.Subject(), custom)
	if err != nil {
		return "", until, err
	}
	text, err = s.sliding(ctx, sess, until, markFresh(custom, claims))
	return text, until, err
}

// refreshableUntil returns the claim refresh_exp.
func refreshableUntil(t *auth.Token) (until time.Time, ok bool) {
	var value json.RawMessage
	if t.Claim(refreshExpiry, &value) != nil {
		return time.Time{}, false
	}
	return jose.ParseDate(string(value))
}

// livesFor returns for how many seconds a sliding token is good that can be renewed
// until that time.
func (s *Service) livesFor(until time.Time) int64 {
	return int64(min(s.accessTTL, until.Sub(s.tokens.Now())) / time.Second)
}

// sliding makes a sliding token that can be renewed until that time.
func (s *Service) sliding(ctx context.Context, sess Session, until time.Time, claims map[string]any) (string, error) {
	now := s.tokens.Now()
	expires := now.Add(s.accessTTL)
	if expires.After(until) {
		expires = until
	}
	return s.mint(ctx, grant{
		kind:             auth.Sliding,
		session:          sess,
		id:               s.slidingID(sess, rand.Text()),
		issued:           now,
		expires:          expires,
		refreshableUntil: until,
		claims:           claims,
	})
}

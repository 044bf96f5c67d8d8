package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// refreshExpiry is simplejwt's claim that says until when a sliding token can
// be renewed.
const refreshExpiry = "refresh_exp"

// IssueSlidingHandler answers POST {username, password} with {token}: a log-in that
// gets one sliding token in place of a pair. It is good for AccessTTL and can
// be renewed, while it is good, until RefreshTTL has passed.
//
// A sliding token travels with every request and can be renewed as often as
// its holder likes, so a stolen one is not noticed: prefer [Service.IssueHandler].
// A verifier whose RequestKind is [Sliding] lets its requests in.
func (s *Service) IssueSlidingHandler() http.Handler {
	return s.post(fields("username", "password"), func(w http.ResponseWriter, r *http.Request, form []string) (map[string]string, error) {
		return s.login(w, r, form[0], form[1], s.beginSliding)
	})
}

// beginSliding begins a session that ends when its token can no longer be
// renewed.
func (s *Service) beginSliding(ctx context.Context, subject string, began time.Time) (map[string]string, error) {
	sess := s.newSession(subject, began)
	sess.Ends = sess.Expires
	claims, err := s.accessClaims(ctx, subject, nil)
	if err != nil {
		return nil, err
	}
	text, err := s.sliding(sess, sess.Ends, claims)
	if err != nil {
		return nil, err
	}
	return map[string]string{"token": text}, s.keep(ctx, sess)
}

// SlideHandler answers POST {token} with {token}: a sliding token that is still good
// is renewed, until the time in its claim refresh_exp.
func (s *Service) SlideHandler() http.Handler {
	return s.post(fields("token"), func(_ http.ResponseWriter, r *http.Request, form []string) (map[string]string, error) {
		text, err := s.slide(r.Context(), form[0])
		return map[string]string{"token": text}, err
	})
}

func (s *Service) slide(ctx context.Context, raw string) (string, error) {
	t, err := s.v.verify(ctx, raw, Sliding)
	if err != nil {
		return "", err
	}
	until, ok := t.refreshableUntil()
	if !ok {
		return "", refused(TokenClaims)
	}
	if !s.v.now().Before(until) {
		return "", refused(TokenExpired)
	}
	sess, err := s.rowOf(ctx, t, until)
	if err != nil {
		return "", err
	}
	if err := s.checkActive(ctx, t.subject); err != nil {
		return "", err
	}
	claims, err := s.accessClaims(ctx, t.subject, s.custom(t))
	if err != nil {
		return "", err
	}
	return s.sliding(sess, until, claims)
}

// refreshableUntil returns the claim refresh_exp.
func (t *Token) refreshableUntil() (until time.Time, ok bool) {
	_ = strictjson.NewReader().Object(t.payload, func(name, value string) error { // it was read before
		if name == refreshExpiry {
			until, ok = numericDate(value)
		}
		return nil
	})
	return until, ok
}

// sliding makes a sliding token that can be renewed until that time.
func (s *Service) sliding(sess Session, until time.Time, claims map[string]any) (string, error) {
	now := s.v.now()
	expires := now.Add(s.accessTTL)
	if expires.After(until) {
		expires = until
	}
	return s.mint(grant{
		kind:             Sliding,
		subject:          sess.Subject,
		id:               accessID(sess),
		issued:           now,
		expires:          expires,
		refreshableUntil: until,
		claims:           claims,
	})
}

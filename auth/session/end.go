package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
)

// EndSession ends one session, by the id that [auth.Token.Session] and
// [Pair].Session tell: its refresh token at once, its access tokens where the
// verifier's Revoked asks for it, and else as they expire. It returns 1 if the
// store knows that session, also one that had ended before, and 0 if not: that is
// no error, for another issuer that shares the key may have made it, and the other
// instances are told all the same. Beside an error, 1 means that the store has
// ended it, but the others may not have heard of it.
func (s *Service) EndSession(ctx context.Context, id string) (int, error) {
	if s == nil || s.sessions == nil {
		return 0, errZeroService
	}
	return s.end(ctx, id, 0)
}

func (s *Service) end(ctx context.Context, id string, lives time.Duration) (int, error) {
	known, err := s.revoke(ctx, id, lives)
	if err == nil {
		s.reporter.Report(ctx, rampart.AuthnTokenRevoked, id, rampart.Text("session", id))
	}
	if known {
		return 1, err
	}
	return 0, err
}

// RevokeToken ends what t is a part of: its session, and that of a foreign token
// which can be renewed, too; of other foreign tokens, that one alone, which takes
// [Config].Revocations.
func (s *Service) RevokeToken(ctx context.Context, t *auth.Token) error {
	if s == nil || s.sessions == nil {
		return errZeroService
	}
	until, renewable := t.Expires(), t.Kind() == auth.Refresh
	if t.Kind() == auth.Sliding {
		until, renewable = refreshableUntil(t)
	}
	lives := t.Expires().Sub(s.tokens.Now())
	switch {
	case sessionOf(t) != "" && t.Kind() == auth.Refresh:
		_, err := s.end(ctx, t.Session(), 0)
		return err
	case sessionOf(t) != "": // Django may have made it of ours, to live as long as it likes
		_, err := s.end(ctx, t.Session(), lives)
		return err
	case renewable:
		sess, err := s.rowOf(ctx, t, until)
		if te, ok := errors.AsType[*auth.TokenError](err); ok && te.Reason == auth.TokenRevoked {
			// The first time the others may not have been told.
			_, err = s.revoke(ctx, jose.ForeignSession(t.Issuer(), t.ID()), lives)
			return err
		}
		if err != nil {
			return err
		}
		_, err = s.end(ctx, sess.ID, lives)
		return err
	case s.revocations == nil:
		return errors.New("session: without Revocations nobody would know that the token is revoked")
	default:
		return s.revocations.RevokeToken(ctx, t.Issuer(), t.ID(), t.Expires())
	}
}

// revoke ends a session in the store, and its access tokens by the revocations, one
// of which lives that long at least. The store comes first: then no more tokens are
// made. If that fails, the others are told all the same.
func (s *Service) revoke(ctx context.Context, id string, lives time.Duration) (known bool, err error) {
	if s.revocations == nil || !jose.IsSession(id) { // no token names it
		return s.sessions.Revoke(ctx, id)
	}
	lives = max(lives, s.accessTTL)
	if jose.IsForeignSession(id) {
		lives = max(lives, s.rowLives(ctx, id))
	}
	known, err = s.sessions.Revoke(ctx, id)
	return known, errors.Join(err, s.revocations.RevokeSession(ctx, id, time.Now().Add(lives)))
}

// rowLives returns for how long a foreign token may live that has begun that
// session: as long as its row, and SessionTTL where that is not to be had.
func (s *Service) rowLives(ctx context.Context, id string) time.Duration {
	row, err := s.sessions.Get(ctx, id)
	if err != nil {
		return s.sessionTTL
	}
	return row.Ends.Sub(s.tokens.Now())
}

// EndSubject ends every session of subject that has begun by now: after a
// password change, or in an incident. A log-in that begins later is not
// affected, even within the same second. It returns how many live sessions the
// store ended; some stores count no further than 1000. Beside an error they have
// ended there, but the other instances may not have heard of it.
func (s *Service) EndSubject(ctx context.Context, subject string) (int, error) {
	if s == nil || s.sessions == nil {
		return 0, errZeroService
	}
	if subject == "" {
		return 0, errNobody
	}
	now, err := s.sessions.Now(ctx)
	if err != nil {
		return 0, err
	}
	ended, err := s.sessions.RevokeSubject(ctx, subject, now)
	if err != nil {
		return 0, err
	}
	if s.revocations != nil {
		if err := s.revocations.RevokeSubject(ctx, subject, now, time.Now().Add(s.sessionTTL)); err != nil {
			return ended, err
		}
	}
	s.reporter.Report(ctx, rampart.AuthnTokenRevoked, subject, rampart.Text("subject", subject))
	return ended, nil
}

// maxListed is how many sessions [Service.Sessions] returns at most.
const maxListed = 100

// Sessions returns the live sessions of subject, the newest first, at most 100: for
// a page where people see where they are logged in. Their Device is untrusted text.
// Check that a session is the caller's own before you end it by its ID.
func (s *Service) Sessions(ctx context.Context, subject string) ([]Session, error) {
	if s == nil || s.sessions == nil {
		return nil, errZeroService
	}
	return s.sessions.List(ctx, subject, maxListed)
}

var errAhead = errors.New("session: EndAll: the time lies ahead")

// EndAll ends every session that began at or before that time; the zero time
// means now. A time that lies ahead is refused: nobody could log in until then. That
// error holds a [rampart.Problem] of an operator's call, with the member "before".
func (s *Service) EndAll(ctx context.Context, before time.Time) error {
	if s == nil || s.sessions == nil {
		return errZeroService
	}
	now, err := s.sessions.Now(ctx)
	if err != nil {
		return err
	}
	if before.IsZero() {
		before = now
	}
	if before.After(now) {
		return fmt.Errorf("%w: %w", errAhead, &rampart.Problem{
			Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: "Invalid input.",
			Errors: []rampart.FieldError{{Pointer: "#/before", Code: "invalid", Detail: "Not a time that has come."}},
		})
	}
	if err := s.sessions.RevokeBefore(ctx, before); err != nil {
		return err
	}
	if s.revocations != nil {
		if err := s.revocations.RevokeBefore(ctx, before, time.Now().Add(s.sessionTTL)); err != nil {
			return err
		}
	}
	s.reporter.Report(ctx, rampart.AuthnTokenRevoked, "all", slog.Time("before", before))
	return nil
}

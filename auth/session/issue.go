package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A Pair is an access token and the refresh token that renews it. It prints
// without them, in JSON too: name the fields in a response of your own.
type Pair struct {
	Access  string // credentials: for the client only
	Refresh string // empty where the client keeps the one it has ([Config.NoRotation])

	Session       string    // id for [Service.EndSession]
	AccessExpires time.Time // exp of Access
}

// String implements [fmt.Stringer] without the tokens.
func (p Pair) String() string { return fmt.Sprintf("session.Pair(session %q REDACTED)", p.Session) }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (p Pair) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// MarshalJSON implements json.Marshaler without the tokens.
func (p Pair) MarshalJSON() ([]byte, error) { return []byte(strictjson.Quote(p.String())), nil }

// LogValue implements [slog.LogValuer] without the tokens.
func (p Pair) LogValue() slog.Value { return slog.StringValue(p.String()) }

// errZeroService is why the zero Service refuses.
var errZeroService = errors.New("session: the service was not made by New")

// maxSubject bounds a subject: it is a key in the stores.
const maxSubject = 255

// Issue begins a session of subject, who must have proven to be it, and returns
// its first tokens. The claims, such as "scope", go into every access token of
// the session; they must not be ones that the service sets itself, nor such as its
// verifier refuses. A list of scopes is written with spaces between them. If sessions
// of the subject are ended while Issue runs, it may still succeed; a log-in
// with a password is protected from that by [Service.IssueHandler].
func (s *Service) Issue(ctx context.Context, subject string, claims map[string]any) (*Pair, error) {
	if s == nil || s.sessions == nil {
		return nil, errZeroService
	}
	began, err := s.sessions.Now(ctx)
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, login{subject: subject, began: began}, claims)
}

// A login is what a session begins with.
type login struct {
	subject, device string
	began           time.Time // by the store's clock
}

// begin is Issue for that log-in.
func (s *Service) begin(ctx context.Context, in login, claims map[string]any) (*Pair, error) {
	subject := in.subject
	if subject == "" || len(subject) > maxSubject {
		return nil, errors.New("session: a subject has 1 to 255 bytes")
	}
	claims, err := s.withShared(ctx, subject, claims)
	if err != nil {
		return nil, err
	}
	if err := s.rehearse(ctx, auth.Refresh, subject, claims); err != nil {
		return nil, err
	}
	sess := s.newSession(in)
	access, err := s.accessClaims(ctx, subject, claims)
	if err != nil {
		return nil, err
	}
	// Tokens first: if they cannot be made, there is no session either.
	pair, err := s.pair(ctx, sess, claims, access)
	if err != nil {
		return nil, err
	}
	if err := s.keep(ctx, sess); err != nil {
		return nil, err
	}
	return pair, nil
}

// newSession returns a session that begins now.
func (s *Service) newSession(in login) Session {
	now := s.tokens.Now()
	return Session{
		ID:              jose.NewSession(),
		Subject:         in.subject,
		Device:          in.device,
		AuthenticatedAt: in.began,
		Generation:      1,
		RotatedAt:       now,
		Expires:         now.Add(s.refreshTTL),
		Ends:            now.Add(s.sessionTTL),
	}
}

// keep stores a new session.
func (s *Service) keep(ctx context.Context, sess Session) error {
	if err := s.sessions.Create(ctx, sess); err != nil {
		return err
	}
	s.reporter.Report(ctx, rampart.AuthnTokenCreated, sess.ID, rampart.Text("subject", sess.Subject), slog.String("session", sess.ID))
	return s.endOldest(ctx, sess.Subject)
}

// maxLooks bounds how often a log-in looks at the sessions of its subject, of which
// there may be many when a limit is set for the first time.
const maxLooks = 20

// endOldest ends the sessions of subject that are more than MaxSessions. Each
// log-in looks after its own session is stored, so of several at once the last one
// to look sees them all, and they all put them in one order.
func (s *Service) endOldest(ctx context.Context, subject string) error {
	if s.maxSessions == 0 {
		return nil
	}
	for range maxLooks {
		live, err := s.sessions.List(ctx, subject, maxListed)
		if err != nil {
			return err
		}
		slices.SortFunc(live, func(a, b Session) int {
			return cmp.Or(b.AuthenticatedAt.Compare(a.AuthenticatedAt), strings.Compare(b.ID, a.ID))
		})
		for _, old := range live[min(s.maxSessions, len(live)):] {
			// One that the store ended is no reason to fail, if others have not heard of it.
			if ended, err := s.end(ctx, old.ID, 0); err != nil && ended == 0 {
				return err
			}
		}
		if len(live) < maxListed {
			break
		}
	}
	return nil
}

// accessClaims returns the claims of an access token: those of the session, and
// over them those that the application has for the subject now.
func (s *Service) accessClaims(ctx context.Context, subject string, session map[string]any) (map[string]any, error) {
	if s.claimer == nil {
		return session, s.rehearse(ctx, auth.Access, subject, session)
	}
	fresh, err := s.claimer.Claims(ctx, subject)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(session)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, fresh)
	return all, s.rehearse(ctx, auth.Access, subject, all)
}

// pair makes the tokens of a session's newest generation. The refresh token
// comes from the row alone, so that it can be made again.
func (s *Service) pair(ctx context.Context, sess Session, claims, access map[string]any) (*Pair, error) {
	p, err := s.access(ctx, sess, access)
	if err != nil {
		return nil, err
	}
	p.Refresh, err = s.mint(ctx, grant{
		kind:    auth.Refresh,
		session: sess,
		id:      refreshID(sess),
		issued:  sess.RotatedAt,
		expires: sess.Expires,
		claims:  s.refreshClaims(claims, access),
	})
	return p, err
}

// keepExpired is how long authsql keeps the row of a session that expired before it
// ends. Without rotation an access token may live on then.
const keepExpired = 24 * time.Hour

// access makes a pair without a refresh token.
func (s *Service) access(ctx context.Context, sess Session, claims map[string]any) (*Pair, error) {
	now := s.tokens.Now()
	expires := now.Add(s.accessTTL)
	for _, gone := range [...]time.Time{sess.Ends, sess.Expires.Add(keepExpired)} { // its row
		if expires.After(gone) {
			expires = gone
		}
	}
	text, err := s.mint(ctx, grant{
		kind:    auth.Access,
		session: sess,
		id:      rand.Text(),
		issued:  now,
		expires: expires,
		claims:  claims,
	})
	return &Pair{Access: text, Session: sess.ID, AccessExpires: time.Unix(expires.Unix(), 0)}, err
}

// Refresh takes a refresh token and returns new tokens. The errors are a
// [*auth.TokenError] for a token that is not good, or whatever failed: then the
// token has not been used up, or, if it was the signing, gets its successor within
// the grace.
//
// A refresh token works once. Its direct predecessor gets the same successor
// again within the grace, as long as that is unused; every other reuse means
// that two parties have the token, and ends the session (RFC 9700 section
// 4.14.2).
func (s *Service) Refresh(ctx context.Context, refresh string) (*Pair, error) {
	t, gen, sess, err := s.session(ctx, refresh)
	if err != nil {
		return nil, err
	}
	if err := s.checkActive(ctx, t.Subject()); err != nil {
		return nil, err
	}
	claims := s.custom(t)
	access, err := s.accessClaims(ctx, t.Subject(), claims)
	if err != nil {
		return nil, err
	}
	if !s.rotates {
		if sess.Generation != gen { // from when it still rotated
			return nil, s.reused(ctx, sess)
		}
		return s.access(ctx, sess, access)
	}
	next, err := s.advance(ctx, sess.ID, gen)
	if err != nil {
		return nil, err
	}
	return s.pair(ctx, next, claims, access)
}

// checkActive asks whether subject may still log in.
func (s *Service) checkActive(ctx context.Context, subject string) error {
	active, err := s.users.Active(ctx, subject)
	if err == nil && !active {
		return refused(auth.TokenInactive)
	}
	return err
}

// session verifies a refresh token and returns its session, which has not
// ended, and which of its tokens it is.
func (s *Service) session(ctx context.Context, refresh string) (*auth.Token, int64, Session, error) {
	if s == nil || s.sessions == nil {
		return nil, 0, Session{}, &auth.TokenError{Reason: auth.TokenUnverified, Err: errZeroService}
	}
	t, err := s.v.Verify(ctx, refresh, auth.Refresh)
	if err != nil {
		return nil, 0, Session{}, err
	}
	gen := generationOf(t)
	if gen < 1 && (s.shared == nil || jose.IsRefreshID(t.ID())) {
		return nil, 0, Session{}, refused(auth.TokenNoID)
	}
	sess, err := s.rowOf(ctx, t, t.Expires())
	if err == nil && gen < 1 {
		gen, sess, err = s.succeed(ctx, t, sess.ID)
	}
	if err == nil && sess.Blacklisted && sess.Generation == gen {
		err = refused(auth.TokenRevoked)
	}
	return t, gen, sess, err
}

// rowOf returns the session of a refresh or sliding token, if it has not ended.
// A token that no Service issued gets one here, at its first use.
func (s *Service) rowOf(ctx context.Context, t *auth.Token, until time.Time) (Session, error) {
	id := sessionOf(t)
	if id == "" {
		var err error
		if id, err = s.adopt(ctx, t, until); err != nil {
			return Session{}, err
		}
	}
	sess, err := s.sessions.Get(ctx, id)
	switch {
	case errors.Is(err, ErrNoSession):
		return Session{}, refused(auth.TokenRevoked)
	case err != nil:
		return Session{}, err
	case sess.Subject != t.Subject():
		return Session{}, refused(auth.TokenRevoked)
	case sess.Revoked:
		return Session{}, s.ended(ctx, t, id)
	}
	return sess, s.checkShared(ctx, t)
}

// ended refuses a token whose session has ended. Where the feed failed at that time,
// the other instances have never heard of it: they are told now.
func (s *Service) ended(ctx context.Context, t *auth.Token, id string) error {
	if s.revocations != nil {
		if known, err := s.revocations.Revoked(ctx, t); err == nil && !known {
			if _, err := s.revoke(ctx, id, 0); err != nil && !errors.Is(err, auth.ErrNoRoom) {
				return err
			}
		}
	}
	return refused(auth.TokenRevoked)
}

// keepAdopted is how long the row of an adopted token outlives it: the longest
// leeway, and what clocks may differ by.
const keepAdopted = 10 * time.Minute

// adopt gives a token that another issuer with our keys made, such as Django,
// its session: as if it had been the first token of one. It can be used until
// that time, and the row lives longer, so that there is no second adoption.
func (s *Service) adopt(ctx context.Context, t *auth.Token, until time.Time) (string, error) {
	if jose.IsRefreshID(t.ID()) { // ours, from before sid: nobody knows whether it was used
		return "", refused(auth.TokenRevoked)
	}
	if err := s.checkRevoked(ctx, t); err != nil {
		return "", err
	}
	began := t.AuthTime()
	if earliest := time.Unix(1, 0); began.Before(earliest) { // also of a token that does not say
		began = earliest
	}
	ends := t.IssuedAt().Add(s.sessionTTL)
	if last := until.Add(keepAdopted); last.After(ends) {
		ends = last
	}
	sess := Session{
		ID:              jose.ForeignSession(t.Issuer(), t.ID()),
		Subject:         t.Subject(),
		AuthenticatedAt: began,
		Generation:      1,
		RotatedAt:       t.IssuedAt(),
		Expires:         until,
		Ends:            ends,
		TokenID:         t.ID(),
	}
	err := s.sessions.Create(ctx, sess)
	switch {
	case errors.Is(err, ErrSuperseded):
		return "", refused(auth.TokenRevoked)
	case err != nil && !errors.Is(err, ErrSessionExists):
		return "", err
	}
	return sess.ID, nil
}

// checkRevoked asks what the verifier of access tokens asks.
func (s *Service) checkRevoked(ctx context.Context, t *auth.Token) error {
	if s.tokens.Revoked == nil {
		return nil
	}
	revoked, err := s.tokens.Revoked(ctx, t)
	if err != nil { // without a result the token is not taken
		return &auth.TokenError{Reason: auth.TokenUnverified, Err: err}
	}
	if revoked {
		return refused(auth.TokenRevoked)
	}
	return nil
}

func refused(reason rampart.Denial) error { return &auth.TokenError{Reason: reason} }

// advance uses up generation gen of a session and returns the session as its
// successor's tokens are made from.
func (s *Service) advance(ctx context.Context, id string, gen int64) (Session, error) {
	now := s.tokens.Now()
	sess, moved, err := s.sessions.Advance(ctx, id, gen, now, now.Add(s.refreshTTL))
	switch {
	case errors.Is(err, ErrNoSession):
		return Session{}, refused(auth.TokenRevoked)
	case err != nil:
		return Session{}, err
	case moved:
		s.reporter.Report(ctx, rampart.AuthnTokenRotated, id, rampart.Text("subject", sess.Subject), slog.String("session", id))
		return sess, nil
	case sess.Revoked, sess.Blacklisted && sess.Generation == gen:
		return Session{}, refused(auth.TokenRevoked)
	case sess.Generation == gen: // neither moved nor used: it has just expired
		return Session{}, refused(auth.TokenExpired)
	case sess.Generation == gen+1 && (sess.TokenID != "" || s.inGrace(sess, now) && sess.Blacklisted):
		return Session{}, refused(auth.TokenRevoked) // the other issuer has its successor
	case sess.Generation == gen+1 && s.inGrace(sess, now):
		return sess, nil // the same successor, still unused
	}
	return Session{}, s.reused(ctx, sess)
}

func (s *Service) inGrace(sess Session, now time.Time) bool {
	return s.grace > 0 && now.Sub(sess.RotatedAt) <= s.grace
}

// reused ends a session one of whose refresh tokens came a second time.
func (s *Service) reused(ctx context.Context, sess Session) error {
	s.reporter.Report(ctx, rampart.AuthnTokenReuse, sess.ID, rampart.Text("subject", sess.Subject), slog.String("session", sess.ID))
	if _, err := s.revoke(ctx, sess.ID, 0); err != nil {
		return err
	}
	return refused(auth.TokenReused)
}

package authsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

var errNobody = errors.New("authsql: no subject")

// purge is how many ended sessions each log-in deletes at most, of everybody and of
// its subject. It is more than one, so that the table shrinks faster than it grows.
const purge = 8

// keepExpired is how long the row stays of a session that expired before it ends.
// By then its refresh token is refused by every clock, and the service made no
// access token to live longer.
const keepExpired = 24 * time.Hour

// A Store is a [session.Store] in SQL. It is safe for concurrent use, also
// by several processes. Create one with [New].
type Store struct {
	db      querier
	dialect rampart.Dialect
	timeout time.Duration
	q       queries
	keep    bool // what has expired
}

// A Config configures a [Store]. The zero Config is a good one.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Timeout bounds each call; it ends sooner if its context does. A minute at most;
	// 0: 2 s, and 10 s with SQLite, whose writers wait for each other.
	Timeout time.Duration

	// KeepExpired keeps the row of a session that has expired until it ends: another
	// issuer may have renewed it (package authdjango). false: it goes a day later.
	KeepExpired bool
}

// A querier is a database, or a transaction in it.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// In returns the store as it is in a transaction of its database: what it changes
// is kept if tx is, together with what the application changes. So a new password
// and the end of the sessions that began with the old one are one step:
//
//	now, err := store.In(tx).Now(ctx)
//	…
//	ended, err := store.In(tx).RevokeSubject(ctx, subject, now)
//	…
//	err = tx.Commit()
//	…
//	late, err := service.EndSubject(ctx, subject)
//
// Begin with the new password, so that the time is taken as late as possible.
// EndSubject after the commit tells the other instances at once, and also ends a
// session of a log-in that read the old password between the two; should it not
// come to that, refresh tokens are dead all the same.
func (s *Store) In(tx *sql.Tx) *Store {
	in := *s
	in.db = tx
	return &in
}

// queries are the statements, with the dialect's placeholders.
type queries struct {
	create, purge, purgeOwn, get, list, advance, revoke, end, raise string
}

// New returns a store in db, where [Migrate] has created the tables, or every mistake,
// each a [rampart.ConfigError], joined.
func New(db *sql.DB, d rampart.Dialect, cfg Config) (*Store, error) {
	bad := conferr.For("authsql.Config")
	bad.Join(sqlutil.Check("authsql.New", db, d))
	timeout, ok := sqlutil.Timeout(d, cfg.Timeout)
	bad.If(!ok, "Timeout", rampart.ReasonInvalid, cfg.Timeout, sqlutil.WantTimeout)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	// A purge must not wait for another, nor for a session in use.
	lock, skip := "", ""
	if d == rampart.PostgreSQL {
		lock = " FOR UPDATE"
		skip = lock + " SKIP LOCKED"
	}
	q := queries{
		create: `INSERT INTO rampart_sessions (id, subject, device, authenticated_at, generation, rotated_at, expires_at, ends_at)
			SELECT ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT)
			WHERE NOT EXISTS (SELECT 1 FROM rampart_session_floors WHERE subject IN (CAST(? AS TEXT), '') AND floor >= CAST(? AS BIGINT))
			ON CONFLICT (id) DO NOTHING`,
		purge: `DELETE FROM rampart_sessions WHERE id IN
			(SELECT id FROM rampart_sessions WHERE ends_at <= ? ORDER BY ends_at LIMIT ?` + skip + `)`,
		// Only of the subject that logs in: an index on expires_at would make each
		// refresh dearer. The id of a session that a foreign token began starts with
		// "0" (jose.ForeignSession). Its row stays to its end: the token may be good
		// for longer than the session was, and without the row it would be adopted,
		// and so be used, once more.
		purgeOwn: `DELETE FROM rampart_sessions WHERE id IN
			(SELECT id FROM rampart_sessions WHERE subject = ? AND expires_at <= ? AND id NOT LIKE '0%' LIMIT ?` + skip + `)`,
		get: `SELECT ` + columns + ` FROM rampart_sessions WHERE id = ?`,
		list: `SELECT ` + columns + ` FROM rampart_sessions WHERE subject = ? AND expires_at > ? AND NOT ` + revoked + `
			ORDER BY authenticated_at DESC LIMIT ?`,
		advance: `UPDATE rampart_sessions SET generation = generation + 1, rotated_at = ?,
				expires_at = CASE WHEN ends_at < ? THEN ends_at ELSE ? END
			WHERE id = ? AND generation = ? AND expires_at > ? AND NOT ` + revoked + `
			RETURNING ` + columns,
		revoke: `UPDATE rampart_sessions SET revoked = TRUE WHERE id = ?`,
		// It counts exactly, also where two do it at once, and it writes first: an
		// SQLite transaction that reads first may not be able to write. In the order
		// of ids two cannot deadlock.
		end: `UPDATE rampart_sessions SET revoked = TRUE WHERE id IN (SELECT id FROM rampart_sessions
			WHERE subject = ? AND authenticated_at <= ? AND expires_at > ? AND NOT ` + revoked + ` ORDER BY id` + lock + `)`,
		raise: `INSERT INTO rampart_session_floors (subject, floor) VALUES (?, ?)
			ON CONFLICT (subject) DO UPDATE SET floor = excluded.floor WHERE rampart_session_floors.floor < excluded.floor`,
	}
	for _, s := range []*string{&q.create, &q.purge, &q.purgeOwn, &q.get, &q.list, &q.advance, &q.revoke, &q.end, &q.raise} {
		*s = sqlutil.Rebind(d, *s)
	}
	return &Store{db: db, dialect: d, timeout: timeout, q: q, keep: cfg.KeepExpired}, nil
}

// revoked decides when a row is read, not when a floor is set: a session that
// slips in beside a floor is revoked all the same.
const revoked = `(revoked OR EXISTS (SELECT 1 FROM rampart_session_floors AS f
	WHERE f.subject IN (rampart_sessions.subject, '') AND f.floor >= rampart_sessions.authenticated_at))`

const columns = `id, subject, device, authenticated_at, generation, rotated_at, expires_at, ends_at, ` + revoked

func scan(row interface{ Scan(into ...any) error }) (session.Session, error) {
	var s session.Session
	var authenticated, rotated, expires, ends int64
	err := row.Scan(&s.ID, &s.Subject, &s.Device, &authenticated, &s.Generation, &rotated, &expires, &ends, &s.Revoked)
	if err != nil {
		return session.Session{}, err
	}
	s.AuthenticatedAt, s.RotatedAt = time.UnixMicro(authenticated).UTC(), time.UnixMicro(rotated).UTC()
	s.Expires, s.Ends = time.UnixMicro(expires).UTC(), time.UnixMicro(ends).UTC()
	return s, nil
}

// Now implements [session.Store]: by PostgreSQL's clock, which its clients
// share, or by this machine's, which the users of an SQLite file share.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if s.dialect == rampart.SQLite {
		return time.Now().UTC().Truncate(time.Microsecond), nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var now int64
	err := s.db.QueryRowContext(ctx, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&now)
	if err != nil {
		return time.Time{}, fmt.Errorf("authsql: now: %w", err)
	}
	return time.UnixMicro(now).UTC(), nil
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, sess session.Session) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	began := sess.AuthenticatedAt.UnixMicro()
	added, err := s.change(ctx, s.q.create, sess.ID, sess.Subject, sess.Device, began, sess.Generation,
		sess.RotatedAt.UnixMicro(), sess.Expires.UnixMicro(), sess.Ends.UnixMicro(), sess.Subject, began)
	if err != nil {
		return fmt.Errorf("authsql: create: %w", err)
	}
	if added == 0 {
		return s.whyNot(ctx, sess.ID)
	}
	// A failure here harms nothing: the next log-in tries again.
	now := time.Now()
	_, _ = s.change(ctx, s.q.purge, now.UnixMicro(), purge)
	if s.keep {
		return nil
	}
	_, _ = s.change(ctx, s.q.purgeOwn, sess.Subject, now.Add(-keepExpired).UnixMicro(), purge)
	return nil
}

// change runs a statement and returns how many rows it concerned.
func (s *Store) change(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// whyNot tells why a session was not created.
func (s *Store) whyNot(ctx context.Context, id string) error {
	_, err := s.Get(ctx, id)
	switch {
	case err == nil:
		return session.ErrSessionExists
	case errors.Is(err, session.ErrNoSession):
		return session.ErrSuperseded
	default:
		return err
	}
}

// Get implements [session.Store].
func (s *Store) Get(ctx context.Context, id string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	sess, err := scan(s.db.QueryRowContext(ctx, s.q.get, id))
	if errors.Is(err, sql.ErrNoRows) {
		return session.Session{}, session.ErrNoSession
	}
	if err != nil {
		return session.Session{}, fmt.Errorf("authsql: get: %w", err)
	}
	return sess, nil
}

// Advance implements [session.Store]: one statement decides, so that of
// several at once only the first finds the generation that it asks for.
func (s *Store) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (session.Session, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	until := expires.UnixMicro()
	sess, err := scan(s.db.QueryRowContext(ctx, s.q.advance, at.UnixMicro(), until, until, id, gen, at.UnixMicro()))
	if errors.Is(err, sql.ErrNoRows) {
		sess, err = s.Get(ctx, id)
		return sess, false, err
	}
	if err != nil {
		return session.Session{}, false, fmt.Errorf("authsql: advance: %w", err)
	}
	return sess, true, nil
}

// List implements [session.Store].
func (s *Store) List(ctx context.Context, subject string, limit int) ([]session.Session, error) {
	if subject == "" {
		return nil, errNobody
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	live, err := s.list(ctx, subject, now.UnixMicro(), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("authsql: list: %w", err)
	}
	return live, nil
}

func (s *Store) list(ctx context.Context, args ...any) (live []session.Session, err error) {
	rows, err := s.db.QueryContext(ctx, s.q.list, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	for rows.Next() {
		sess, err := scan(rows)
		if err != nil {
			return nil, err
		}
		live = append(live, sess)
	}
	return live, rows.Err()
}

// Revoke implements [session.Store].
func (s *Store) Revoke(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	known, err := s.change(ctx, s.q.revoke, id)
	if err != nil {
		return false, fmt.Errorf("authsql: revoke: %w", err)
	}
	return known > 0, nil
}

// RevokeSubject implements [session.Store]. The count leaves out a session that is
// created while it runs; the floor ends that one, too.
func (s *Store) RevokeSubject(ctx context.Context, subject string, before time.Time) (int, error) {
	if subject == "" {
		return 0, errNobody
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	now, err := s.Now(ctx)
	if err != nil {
		return 0, err
	}
	ended, err := s.change(ctx, s.q.end, subject, before.UnixMicro(), now.UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("authsql: revoke subject: %w", err)
	}
	return int(ended), s.raise(ctx, subject, before)
}

// raise raises the floor of a subject; the subject "" is everybody.
func (s *Store) raise(ctx context.Context, subject string, before time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if _, err := s.db.ExecContext(ctx, s.q.raise, subject, before.UnixMicro()); err != nil {
		return fmt.Errorf("authsql: revoke subject: %w", err)
	}
	return nil
}

// RevokeBefore implements [session.Store].
func (s *Store) RevokeBefore(ctx context.Context, before time.Time) error {
	return s.raise(ctx, "", before)
}

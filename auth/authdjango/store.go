package authdjango

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// A Config says how Django is set up. The zero Config fits its defaults.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Timeout bounds each call; it ends sooner if its context does. A minute at most;
	// 0: 2 s, and 10 s with SQLite, whose writers wait for each other.
	Timeout time.Duration

	// UserTable is the table of AUTH_USER_MODEL, such as "accounts_user". "": auth_user.
	UserTable string

	// UsernameColumn is its column of USERNAME_FIELD. "": username.
	UsernameColumn string

	// CheckRevokeToken is CHECK_REVOKE_TOKEN: a token of an account whose password hash
	// has changed since is refused. Then [Users] leaves hashes as they are, since a new
	// one would log the account out everywhere.
	CheckRevokeToken bool

	// RevokeTokenClaim is REVOKE_TOKEN_CLAIM. "": hash_password.
	RevokeTokenClaim string

	// DangerouslyAllowInactive is CHECK_USER_IS_ACTIVE = False: accounts with is_active
	// unset keep what they have, and log in.
	DangerouslyAllowInactive bool
}

// A Store is a [session.Shared] in a database that Django uses, too. It is safe for
// concurrent use, also by several processes. Create one with [New].
type Store struct {
	own      *authsql.Store // sessions and floors
	db       *sql.DB
	dialect  rampart.Dialect
	timeout  time.Duration
	claim    string // "": it is not checked
	inactive bool   // may use their tokens
	q        queries
}

// queries are the statements, with the dialect's placeholders.
type queries struct {
	mark, succeed, remember, recall, forget, outstand, blacklist, listed, listedMany, reach, reachAll, texts, user, login, upgrade, hashes, ended string
}

const (
	outstanding = `token_blacklist_outstandingtoken`
	blacklisted = `token_blacklist_blacklistedtoken`

	// newest is the jti of the newest refresh token of a row s of rampart_sessions.
	newest = `COALESCE((SELECT t.jti FROM rampart_django_tokens AS t WHERE t.session = s.id AND t.generation = s.generation),
		s.id || '.' || CAST(s.generation AS TEXT))`
	isListed = `EXISTS (SELECT 1 FROM ` + blacklisted + ` AS b JOIN ` + outstanding + ` AS o ON o.id = b.token_id WHERE o.jti = `
	unlisted = `NOT EXISTS (SELECT 1 FROM ` + blacklisted + ` AS b WHERE b.token_id = o.id)`
)

// New returns a store in db, where [Migrate] has made the tables and Django its own, or
// every mistake, each a [rampart.ConfigError], joined.
func New(db *sql.DB, d rampart.Dialect, cfg Config) (*Store, error) {
	bad := conferr.For("authdjango.Config")
	inner, err := authsql.New(db, d, authsql.Config{Timeout: cfg.Timeout, KeepExpired: true})
	bad.Join(err)
	users, name := "auth_user", "username"
	for _, field := range []struct {
		name  string
		value string
		into  *string
	}{{"UserTable", cfg.UserTable, &users}, {"UsernameColumn", cfg.UsernameColumn, &name}} {
		if field.value != "" {
			*field.into = field.value
		}
		bad.If(!isName(*field.into), field.name, rampart.ReasonInvalid, field.value, "use letters, digits and _ only, as Django names tables and columns")
	}
	bad.If(cfg.RevokeTokenClaim != "" && !cfg.CheckRevokeToken, "RevokeTokenClaim", rampart.ReasonPointless, cfg.RevokeTokenClaim, "set CheckRevokeToken, or leave it empty")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	s := &Store{own: inner, db: db, dialect: d, inactive: cfg.DangerouslyAllowInactive, q: newQueries(d, users, name)}
	s.timeout, _ = sqlutil.Timeout(d, cfg.Timeout) // authsql saw it
	if cfg.CheckRevokeToken {
		s.claim = "hash_password"
		if cfg.RevokeTokenClaim != "" {
			s.claim = cfg.RevokeTokenClaim
		}
	}
	return s, nil
}

func isName(s string) bool { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`).MatchString(s) }

func newQueries(d rampart.Dialect, users, name string) queries {
	users, name = `"`+users+`"`, `"`+name+`"`
	stamp := "?"
	if d == rampart.PostgreSQL {
		stamp = "CAST(? AS TIMESTAMPTZ)"
	}
	batch := `INSERT INTO ` + blacklisted + ` (token_id, blacklisted_at) SELECT o.id, ` + stamp + ` FROM ` + outstanding + ` AS o WHERE ` + unlisted
	q := queries{
		mark: `SELECT s.generation, COALESCE((SELECT t.jti FROM rampart_django_tokens AS t WHERE t.session = s.id AND t.generation = s.generation), ''),
			` + isListed + newest + `) FROM rampart_sessions AS s WHERE s.id = ?`,
		succeed: `UPDATE rampart_sessions AS s SET generation = generation + 1, rotated_at = ?,
				expires_at = CASE WHEN ends_at < ? THEN ends_at ELSE ? END
			WHERE id = ? AND ends_at > ? AND ` + isListed + newest + `) AND NOT ` + isListed + `CAST(? AS TEXT))
			RETURNING generation, ends_at`,
		remember: `INSERT INTO rampart_django_tokens (session, generation, jti, ends_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (session) DO UPDATE SET generation = excluded.generation, jti = excluded.jti`,
		recall: `SELECT generation FROM rampart_django_tokens WHERE session = ? AND jti = ?`,
		forget: `DELETE FROM rampart_django_tokens WHERE session IN
			(SELECT session FROM rampart_django_tokens WHERE ends_at <= ? ORDER BY ends_at LIMIT 8)`,
		// The token of a subject without an account has no owner there.
		outstand: `INSERT INTO ` + outstanding + ` (jti, token, user_id, created_at, expires_at)
			VALUES (?, '', (SELECT id FROM ` + users + ` WHERE id = CAST(? AS BIGINT)), ?, ?) ON CONFLICT (jti) DO NOTHING`,
		blacklist: `INSERT INTO ` + blacklisted + ` (token_id, blacklisted_at)
			SELECT id, ` + stamp + ` FROM ` + outstanding + ` WHERE jti = ? ON CONFLICT (token_id) DO NOTHING`,
		listed:     `SELECT ` + isListed + `CAST(? AS TEXT))`,
		listedMany: `SELECT s.id FROM rampart_sessions AS s WHERE s.subject = ? AND s.expires_at > ? AND ` + isListed + newest + `)`,
		// What was made in the future was written with another zone's time (see zones).
		reach: batch + ` AND o.user_id = CAST(? AS BIGINT) AND o.expires_at > ? AND (o.created_at IS NULL OR o.created_at <= ? OR o.created_at > ?
				OR o.jti IN (SELECT ` + newest + ` FROM rampart_sessions AS s WHERE s.subject = ? AND s.authenticated_at <= ?))
			ON CONFLICT (token_id) DO NOTHING`,
		reachAll: batch + ` AND o.expires_at > ? AND o.id IN (SELECT o.id FROM ` + outstanding + ` AS o
				WHERE o.expires_at > ? AND (o.created_at IS NULL OR o.created_at <= ? OR o.created_at > ?
					OR o.jti IN (SELECT ` + newest + ` FROM rampart_sessions AS s WHERE s.authenticated_at <= ?)) AND ` + unlisted + `
				ORDER BY o.id LIMIT 1000)
			ON CONFLICT (token_id) DO NOTHING`,
		texts: `SELECT o.jti, o.token FROM ` + outstanding + ` AS o
			WHERE o.user_id = CAST(? AS BIGINT) AND o.expires_at > ? AND o.token <> '' AND ` + unlisted,
		ended: `SELECT EXISTS (SELECT 1 FROM rampart_session_floors WHERE subject IN (CAST(? AS TEXT), '') AND floor >= CAST(? AS BIGINT))`,

		user:    `SELECT is_active, password FROM ` + users + ` WHERE id = CAST(? AS BIGINT)`,
		login:   `SELECT id, is_active, password FROM ` + users + ` WHERE ` + name + ` = ?`,
		upgrade: `UPDATE ` + users + ` SET password = ? WHERE id = CAST(? AS BIGINT) AND password = ?`,
		hashes:  `SELECT id, password FROM ` + users + ` WHERE id > CAST(? AS BIGINT) ORDER BY id LIMIT 1000`,
	}
	for _, s := range []*string{
		&q.mark, &q.succeed, &q.remember, &q.recall, &q.forget, &q.outstand, &q.blacklist, &q.listed, &q.listedMany,
		&q.reach, &q.reachAll, &q.texts, &q.user, &q.login, &q.upgrade, &q.hashes, &q.ended,
	} {
		*s = sqlutil.Rebind(d, *s)
	}
	return q
}

// django returns t as Django writes it: PostgreSQL has a type for it, SQLite a text.
func (s *Store) django(t time.Time) any {
	if s.dialect == rampart.SQLite {
		return t.UTC().Format("2006-01-02 15:04:05.000000")
	}
	return t.UTC()
}

// zones is more than the times of two zones differ. Where USE_TZ is False, Django may have
// written, and may ask for, another zone's time.
const zones = 24 * time.Hour

// alive is the time after which a token of Django's has not expired.
func alive() time.Time { return time.Now().Add(-zones) }

// key returns the primary key of an account; 0, which none has, for a subject that is
// no integer.
func key(subject string) int64 {
	id, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// in runs do in a transaction, and keeps what it did if it returns true.
func (s *Store) in(ctx context.Context, what string, do func(ctx context.Context, tx *sql.Tx) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	// Under a stricter level PostgreSQL would not see what it waited for.
	level := sql.LevelDefault
	if s.dialect == rampart.PostgreSQL {
		level = sql.LevelReadCommitted
	}
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return fmt.Errorf("authdjango: %s: %w", what, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	keep, err := do(ctx, tx)
	if err == nil && keep {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("authdjango: %s: %w", what, err)
	}
	return nil
}

// outstand writes the newest token of a session into Django's table, unless it is there.
// It was not made before its session began, whatever the clocks say.
// Django deletes what has expired, and takes the token again if it was ended: not before
// it has expired in every zone.
func (s *Store) outstand(ctx context.Context, tx *sql.Tx, sess session.Session) error {
	made := sess.RotatedAt
	if made.Before(sess.AuthenticatedAt) {
		made = sess.AuthenticatedAt
	}
	_, err := tx.ExecContext(ctx, s.q.outstand, tokenID(sess), key(sess.Subject), s.django(made), s.django(sess.Expires.Add(zones)))
	return err
}

// blacklist reports whether it is the first to end a token.
func (s *Store) blacklist(ctx context.Context, tx *sql.Tx, jti string) (bool, error) {
	done, err := tx.ExecContext(ctx, s.q.blacklist, s.django(time.Now()), jti)
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// listed reports whether a token is in Django's blacklist.
func (s *Store) listed(ctx context.Context, from interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, jti string,
) (listed bool, err error) {
	err = from.QueryRowContext(ctx, s.q.listed, jti).Scan(&listed)
	return listed, err
}

// refreshID is the jti of a refresh token of ours.
func refreshID(id string, gen int64) string { return id + "." + strconv.FormatInt(gen, 10) }

// tokenID is the jti of the newest refresh token.
func tokenID(s session.Session) string {
	if s.TokenID != "" {
		return s.TokenID
	}
	return refreshID(s.ID, s.Generation)
}

// Now implements [session.Store], as [authsql.Store.Now] does.
func (s *Store) Now(ctx context.Context) (time.Time, error) { return s.own.Now(ctx) }

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, sess session.Session) error {
	err := s.in(ctx, "create", func(ctx context.Context, tx *sql.Tx) (bool, error) {
		if err := s.own.In(tx).Create(ctx, sess); err != nil {
			return false, err
		}
		jti := tokenID(sess)
		if err := s.outstand(ctx, tx, sess); err != nil {
			return false, err
		}
		if sess.TokenID != "" {
			if _, err := tx.ExecContext(ctx, s.q.remember, sess.ID, sess.Generation, jti, sess.Ends.UnixMicro()); err != nil {
				return false, err
			}
		}
		if _, err := tx.ExecContext(ctx, s.q.forget, time.Now().UnixMicro()); err != nil {
			return false, err
		}
		ended, err := s.listed(ctx, tx, jti)
		if err == nil && ended {
			err = session.ErrSuperseded
		}
		return true, err
	})
	if err != nil {
		return err
	}
	ended, err := s.settle(ctx, sess.ID)
	if err == nil && ended {
		err = session.ErrSuperseded
	}
	return err
}

// settle reports whether all sessions were ended while this one's newest token was
// written. Who did that may not have seen the token, and so it is ended now.
func (s *Store) settle(ctx context.Context, id string) (ended bool, err error) {
	ctx = context.WithoutCancel(ctx) // the token is there, though its client may be gone
	sess, err := s.own.Get(ctx, id)
	if errors.Is(err, session.ErrNoSession) {
		return false, nil
	}
	if err != nil || !sess.Revoked {
		return false, err
	}
	_, err = s.Revoke(ctx, id)
	return true, err
}

// Get implements [session.Store].
func (s *Store) Get(ctx context.Context, id string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for { // while it is rotated between the two
		var gen int64
		var jti string
		var ended bool
		err := s.db.QueryRowContext(ctx, s.q.mark, id).Scan(&gen, &jti, &ended)
		if errors.Is(err, sql.ErrNoRows) {
			return session.Session{}, session.ErrNoSession
		}
		if err != nil {
			return session.Session{}, fmt.Errorf("authdjango: get: %w", err)
		}
		sess, err := s.own.Get(ctx, id)
		if err != nil || sess.Generation == gen {
			sess.TokenID, sess.Blacklisted = jti, ended
			return sess, err
		}
	}
}

// Advance implements [session.Store]. Of a refresh here and one at Django, the first to
// blacklist the token goes on.
func (s *Store) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (session.Session, bool, error) {
	old, err := s.Get(ctx, id)
	if err != nil || old.Generation != gen || old.Blacklisted {
		return old, false, err
	}
	var now session.Session
	var moved bool
	err = s.in(ctx, "advance", func(ctx context.Context, tx *sql.Tx) (bool, error) {
		var err error
		if now, moved, err = s.own.In(tx).Advance(ctx, id, gen, at, expires); err != nil || !moved {
			return false, err
		}
		if err = s.outstand(ctx, tx, old); err != nil {
			return false, err
		}
		if moved, err = s.blacklist(ctx, tx, tokenID(old)); err != nil || !moved {
			return false, err
		}
		return true, s.outstand(ctx, tx, now)
	})
	if err != nil {
		return session.Session{}, false, err
	}
	ended := false
	if moved {
		ended, err = s.settle(ctx, id)
	}
	if err == nil && (!moved || ended) {
		now, err = s.Get(ctx, id)
	}
	return now, moved && !ended, err
}

// Succeed implements [session.Shared]. Of the tokens that Django has made of a session it
// remembers the newest.
func (s *Store) Succeed(ctx context.Context, id, jti string, at, expires time.Time) (session.Session, int64, error) {
	err := s.in(ctx, "succeed", func(ctx context.Context, tx *sql.Tx) (bool, error) {
		var gen, ends int64
		until := expires.UnixMicro()
		err := tx.QueryRowContext(ctx, s.q.succeed, at.UnixMicro(), until, until, id, time.Now().UnixMicro(), jti).Scan(&gen, &ends)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		sess, err := s.own.In(tx).Get(ctx, id)
		if err != nil || sess.Revoked {
			return false, err
		}
		if _, err := tx.ExecContext(ctx, s.q.remember, id, gen, jti, ends); err != nil {
			return false, err
		}
		sess.TokenID = jti
		return true, s.outstand(ctx, tx, sess)
	})
	if err == nil {
		_, err = s.settle(ctx, id)
	}
	if err != nil {
		return session.Session{}, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var gen int64
	err = s.db.QueryRowContext(ctx, s.q.recall, id, jti).Scan(&gen)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return session.Session{}, 0, wrap("succeed", err)
	}
	now, err := s.Get(ctx, id)
	if err == nil && gen == 0 {
		now.Blacklisted, err = s.listed(ctx, s.db, jti)
		err = wrap("succeed", err)
	}
	return now, gen, err
}

package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
)

// users implements session.Users over the users table. A subject is the row's id,
// as in Django, so that tokens of either side name the same person.
type users struct {
	db   *database
	hash *password.Hasher
	log  *slog.Logger
}

// Login implements session.Users. An unknown name costs a full hash too, so that
// time does not tell who has an account.
func (u *users) Login(ctx context.Context, name, pw string) (string, error) {
	var (
		id     int64
		stored string
		active bool
	)
	asking, cancel := u.db.within(ctx)
	defer cancel()
	err := u.db.QueryRowContext(asking, u.db.q(`SELECT id, password, active FROM users WHERE username = ?`), name).Scan(&id, &stored, &active)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	ok, fresh, err := u.hash.Check(ctx, name, pw, stored)
	if broken, isBroken := errors.AsType[*password.StoredError](err); isBroken {
		// Ours to mend; a stranger must not learn that there is such an account.
		u.log.LogAttrs(ctx, slog.LevelError, "a stored password hash cannot be read", slog.Int64("user", id), slog.String("reason", string(broken.Fault)))
		return "", session.ErrBadCredentials
	}
	if err != nil {
		return "", err
	}
	if !ok || !active {
		return "", session.ErrBadCredentials
	}
	if fresh != "" {
		if err := u.upgrade(ctx, id, fresh, stored); err != nil {
			return "", err
		}
	}
	return strconv.FormatInt(id, 10), nil
}

// upgrade stores a password's hash of today, unless the password was changed meanwhile.
func (u *users) upgrade(ctx context.Context, id int64, fresh, old string) error {
	ctx, cancel := u.db.within(ctx)
	defer cancel()
	_, err := u.db.ExecContext(ctx, u.db.q(`UPDATE users SET password = ? WHERE id = ? AND password = ?`), fresh, id, old)
	return err
}

// newHasher returns a hasher whose key for unknown names is made of the service's secret.
func newHasher(secret []byte) (*password.Hasher, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "ecolaura unknown names v1", 32)
	if err != nil {
		return nil, err
	}
	return password.New(password.Config{NameKey: key})
}

// count tells the hasher what the accounts' hashes cost, so that the time of a log-in
// does not tell which names are those of imported accounts. Of a large table it reads
// every nth id, some ten thousand rows where none is missing.
func (u *users) count(ctx context.Context) error {
	ctx, cancel := u.db.within(ctx)
	defer cancel()
	rows, err := u.db.QueryContext(ctx, `WITH every AS (SELECT count(*) / 10000 + 1 AS nth, min(id) AS least FROM users)
		SELECT password FROM users, every WHERE id % nth = least % nth`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err tells
	census := new(password.Census)
	for rows.Next() {
		var stored string
		if err := rows.Scan(&stored); err != nil {
			return err
		}
		census.Add(stored)
	}
	return errors.Join(rows.Err(), u.hash.SetCensus(census))
}

// Active implements session.Users.
func (u *users) Active(ctx context.Context, subject string) (bool, error) {
	id, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return false, nil // no such user: our subjects are numbers
	}
	ctx, cancel := u.db.within(ctx)
	defer cancel()
	var active bool
	err = u.db.QueryRowContext(ctx, u.db.q(`SELECT active FROM users WHERE id = ?`), id).Scan(&active)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return active, err
}

// Claims implements session.Claimer: a user's scopes travel in the tokens.
func (u *users) Claims(ctx context.Context, subject string) (map[string]any, error) {
	scopes, err := u.scopes(ctx, subject)
	if err != nil || len(scopes) == 0 {
		return nil, err
	}
	return map[string]any{"scope": strings.Join(scopes, " ")}, nil
}

// scopes returns what a user may do now; nothing for one that is not there.
func (u *users) scopes(ctx context.Context, subject string) ([]string, error) {
	id, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return nil, nil
	}
	ctx, cancel := u.db.within(ctx)
	defer cancel()
	var scopes string
	err = u.db.QueryRowContext(ctx, u.db.q(`SELECT scopes FROM users WHERE id = ?`), id).Scan(&scopes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return strings.Fields(scopes), err
}

// errWrongPassword means that the old password did not match.
var errWrongPassword = errors.New("wrong password")

// changePassword replaces old by pw and ends every session of the user: both or
// neither, for a thief must not keep the session that the change was made for.
func (u *users) changePassword(ctx context.Context, sessions *authsql.Store, subject, old, pw string) error {
	id, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return errWrongPassword
	}
	asking, cancel := u.db.within(ctx)
	defer cancel()
	var stored string
	if err := u.db.QueryRowContext(asking, u.db.q(`SELECT password FROM users WHERE id = ?`), id).Scan(&stored); err != nil {
		return err
	}
	ok, _, err := u.hash.Verify(ctx, old, stored)
	if err != nil {
		return err
	}
	if !ok {
		return errWrongPassword
	}
	hashed, err := u.hash.Hash(ctx, pw)
	if err != nil {
		return err
	}
	ctx, cancel = u.db.within(ctx)
	defer cancel()
	tx, err := u.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing once committed
	res, err := tx.ExecContext(ctx, u.db.q(`UPDATE users SET password = ?, demo = ? WHERE id = ? AND password = ?`), hashed, false, id, stored)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 { // somebody else changed it first
		return errors.Join(err, errWrongPassword)
	}
	ending := sessions.In(tx)
	now, err := ending.Now(ctx)
	if err != nil {
		return err
	}
	if _, err := ending.RevokeSubject(ctx, subject, now); err != nil {
		return err
	}
	return tx.Commit()
}

const demoPassword = "correct horse battery staple"

// seed makes the demo users that are missing. Every one has the same password,
// which the start-up lines print.
func (u *users) seed(ctx context.Context, tx *sql.Tx) error {
	for name, scopes := range map[string][]string{
		"alice": {"products:write", "customers:read", "keys:manage"},
		"bob":   nil,
		"oscar": {"ops"},
	} {
		hashed, err := u.hash.Hash(ctx, demoPassword)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, u.db.q(`INSERT INTO users (username, password, scopes, active, demo) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (username) DO NOTHING`), name, hashed, strings.Join(scopes, " "), true, true)
		if err != nil {
			return err
		}
	}
	return nil
}

// demos reports whether an account with the demo password is there.
func (u *users) demos(ctx context.Context) (bool, error) {
	var n int
	err := u.db.QueryRowContext(ctx, u.db.q(`SELECT count(*) FROM users WHERE demo = ?`), true).Scan(&n)
	return n > 0, err
}

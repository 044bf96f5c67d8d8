package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ecolaura/rampart/auth/authsql"
)

// account is a row of the users table, as an operator sees it.
type account struct {
	name, scopes string
	active       bool
}

// errNoAccount means that no account has that name.
var errNoAccount = errors.New("no such account")

// add makes an account.
func (u *users) add(ctx context.Context, name, pw string, scopes []string) error {
	hashed, err := u.hash.Hash(ctx, pw)
	if err != nil {
		return err
	}
	ctx, cancel := u.db.within(ctx)
	defer cancel()
	done, err := u.db.ExecContext(ctx, u.db.q(`INSERT INTO users (username, password, scopes, active, demo) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (username) DO NOTHING`), name, hashed, strings.Join(scopes, " "), true, false)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("the account %q is there already", name))
	}
	return nil
}

// list returns every account, by name.
func (u *users) list(ctx context.Context) (all []account, err error) {
	ctx, cancel := u.db.within(ctx)
	defer cancel()
	rows, err := u.db.QueryContext(ctx, `SELECT username, scopes, active FROM users ORDER BY username`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var a account
		if err := rows.Scan(&a.name, &a.scopes, &a.active); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// setPassword replaces a password without asking for the old one.
func (u *users) setPassword(ctx context.Context, sessions *authsql.Store, name, pw string) (subject string, upTo time.Time, err error) {
	hashed, err := u.hash.Hash(ctx, pw)
	if err != nil {
		return "", upTo, err
	}
	return u.change(ctx, sessions, name, `password = ?, demo = ?`, hashed, false)
}

// setScopes replaces the scopes, which tokens carry from the next log-in or refresh on.
func (u *users) setScopes(ctx context.Context, sessions *authsql.Store, name string, scopes []string) (subject string, upTo time.Time, err error) {
	return u.change(ctx, sessions, name, `scopes = ?`, strings.Join(scopes, " "))
}

// setActive lets an account log in, or no more.
func (u *users) setActive(ctx context.Context, sessions *authsql.Store, name string, active bool) (subject string, upTo time.Time, err error) {
	return u.change(ctx, sessions, name, `active = ?`, active)
}

// change changes the row of an account and ends its sessions that began up to upTo:
// both or neither, for what a session may do was settled when it began.
func (u *users) change(ctx context.Context, sessions *authsql.Store, name, set string, values ...any) (subject string, upTo time.Time, err error) {
	ctx, cancel := u.db.within(ctx)
	defer cancel()
	tx, err := u.db.BeginTx(ctx, nil)
	if err != nil {
		return "", upTo, err
	}
	defer func() { _ = tx.Rollback() }() // nothing once committed
	err = tx.QueryRowContext(ctx, u.db.q(`UPDATE users SET `+set+` WHERE username = ? RETURNING id`), append(values, name)...).Scan(&subject)
	if errors.Is(err, sql.ErrNoRows) {
		return "", upTo, fmt.Errorf("%w: %q", errNoAccount, name)
	}
	if err != nil {
		return "", upTo, err
	}
	ending := sessions.In(tx)
	if upTo, err = ending.Now(ctx); err != nil {
		return "", upTo, err
	}
	if _, err := ending.RevokeSubject(ctx, subject, upTo); err != nil {
		return "", upTo, err
	}
	return subject, upTo, tx.Commit()
}

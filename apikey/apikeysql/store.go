package apikeysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// A Store keeps keys in a database. It is safe for concurrent use. The zero
// Store fails every call. Create one with [New].
type Store struct {
	db      *sql.DB
	timeout time.Duration
	q       queries
}

// A Config configures a [Store]. The zero Config is a good one.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Timeout bounds each call; it ends sooner if its context does. A minute at most;
	// 0: 2 s, and 10 s with SQLite, whose writers wait for each other.
	Timeout time.Duration
}

var _ apikey.Store = (*Store)(nil)

// queries are the statements in the store's dialect.
type queries struct {
	insert, lookup, lookupHash, exists, updateHash, rotate, revoke, revokeOwner, touch, list, listOwner string
}

const (
	fromKeys   = ` FROM rampart_api_keys `
	updateKeys = `UPDATE rampart_api_keys SET `
)

// New returns a store on db, which speaks d, or every mistake, each a
// [*rampart.ConfigError], joined. It does not touch the database: call
// [Migrate] first. A SQLite database needs a busy timeout, and WAL mode for
// speed.
func New(db *sql.DB, d rampart.Dialect, cfg Config) (*Store, error) {
	bad := conferr.For("apikeysql.Config")
	bad.Join(sqlutil.Check("apikeysql.New", db, d))
	timeout, ok := sqlutil.Timeout(d, cfg.Timeout)
	bad.If(!ok, "Timeout", rampart.ReasonInvalid, cfg.Timeout, sqlutil.WantTimeout)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	lock := ""
	if d == rampart.PostgreSQL {
		lock = ` FOR UPDATE`
	}
	return &Store{db: db, timeout: timeout, q: queries{
		insert:     sqlutil.Rebind(d, `INSERT INTO rampart_api_keys (`+columns+`, hash) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`),
		lookup:     sqlutil.Rebind(d, `SELECT `+columns+`, hash`+fromKeys+`WHERE id = ?`),
		lookupHash: sqlutil.Rebind(d, `SELECT `+columns+fromKeys+`WHERE hash = ?`),
		exists:     sqlutil.Rebind(d, `SELECT 1`+fromKeys+`WHERE id = ?`),
		updateHash: sqlutil.Rebind(d, updateKeys+`hash = ? WHERE id = ? AND hash = ?`),
		rotate: sqlutil.Rebind(d, updateKeys+`successor = ?, expires = CASE WHEN expires = 0 OR expires > ? THEN ? ELSE expires END
			WHERE id = ? AND revoked = 0 AND successor = ''`),
		revoke: sqlutil.Rebind(d, updateKeys+`revoked = ? WHERE id = ? AND revoked = 0`),
		// In the order of ids, as Touch goes, so that the two cannot deadlock.
		revokeOwner: sqlutil.Rebind(d, updateKeys+`revoked = ? WHERE id IN (
			SELECT id`+fromKeys+`WHERE owner = ? AND revoked = 0 ORDER BY id`+lock+`) RETURNING id`),
		touch:     sqlutil.Rebind(d, updateKeys+`last_used = ? WHERE id = ? AND last_used < ?`),
		list:      sqlutil.Rebind(d, `SELECT `+columns+fromKeys+`WHERE id > ? ORDER BY id LIMIT ?`),
		listOwner: sqlutil.Rebind(d, `SELECT `+columns+fromKeys+`WHERE owner = ? AND id > ? ORDER BY id LIMIT ?`),
	}}, nil
}

var errZero = errors.New("apikeysql: store not made by New")

// failed names the step that failed, and keeps the store's own results.
func failed(step string, err error) error {
	if err == nil || errors.Is(err, apikey.ErrNotFound) || errors.Is(err, apikey.ErrConflict) {
		return err
	}
	return fmt.Errorf("apikeysql: %s: %w", step, err)
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// changed runs a statement on one row and reports whether it changed it.
func changed(ctx context.Context, db execer, query string, args ...any) (bool, error) {
	res, err := db.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// change runs a statement on the key id. If it changes nothing, the error tells
// a key that does not exist from one that is not in the state asked for.
func (s *Store) change(ctx context.Context, db execer, id, query string, args ...any) error {
	ok, err := changed(ctx, db, query, args...)
	if ok || err != nil {
		return err
	}
	var one int
	err = db.QueryRowContext(ctx, s.q.exists, id).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return apikey.ErrNotFound
	case err != nil:
		return err
	default:
		return apikey.ErrConflict
	}
}

func (s *Store) insert(ctx context.Context, db execer, k apikey.Key, hash []byte) error {
	args, err := values(k)
	if err != nil {
		return err
	}
	ok, err := changed(ctx, db, s.q.insert, append(args, hash)...)
	if err == nil && !ok {
		return apikey.ErrConflict
	}
	return err
}

// Insert implements [apikey.Store].
func (s *Store) Insert(ctx context.Context, k apikey.Key, hash []byte) error {
	if s.db == nil {
		return errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return failed("insert", s.insert(ctx, s.db, k, hash))
}

// Lookup implements [apikey.Store].
func (s *Store) Lookup(ctx context.Context, id string) (apikey.Key, []byte, error) {
	if s.db == nil {
		return apikey.Key{}, nil, errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var hash []byte
	k, err := scan(s.db.QueryRowContext(ctx, s.q.lookup, id), &hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = apikey.ErrNotFound
	}
	return k, hash, failed("lookup", err)
}

// LookupHash implements [apikey.Store].
func (s *Store) LookupHash(ctx context.Context, hash []byte) (apikey.Key, error) {
	if s.db == nil {
		return apikey.Key{}, errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	k, err := scan(s.db.QueryRowContext(ctx, s.q.lookupHash, hash))
	if errors.Is(err, sql.ErrNoRows) {
		err = apikey.ErrNotFound
	}
	return k, failed("lookup by hash", err)
}

// UpdateHash implements [apikey.Store].
func (s *Store) UpdateHash(ctx context.Context, id string, old, hash []byte) error {
	if s.db == nil {
		return errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return failed("update hash", s.change(ctx, s.db, id, s.q.updateHash, hash, id, old))
}

// Rotate implements [apikey.Store].
func (s *Store) Rotate(ctx context.Context, old string, expires time.Time, next apikey.Key, hash []byte) error {
	if s.db == nil {
		return errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return failed("rotate", s.inTx(ctx, func(tx *sql.Tx) error {
		// The update comes first: it locks the row (in SQLite, the database),
		// so that of many rotations and revocations one goes before the other.
		end := micros(expires)
		if err := s.change(ctx, tx, old, s.q.rotate, next.ID, end, end, old); err != nil {
			return err
		}
		return s.insert(ctx, tx, next, hash)
	}))
}

// Revoke implements [apikey.Store].
func (s *Store) Revoke(ctx context.Context, id string, at time.Time) error {
	if s.db == nil {
		return errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.change(ctx, s.db, id, s.q.revoke, micros(at), id)
	if errors.Is(err, apikey.ErrConflict) { // revoked before: it stays so
		return nil
	}
	return failed("revoke", err)
}

// RevokeOwner implements [apikey.Store].
func (s *Store) RevokeOwner(ctx context.Context, owner string, at time.Time) ([]string, error) {
	if s.db == nil {
		return nil, errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var all []string
	for {
		// In PostgreSQL a statement waits for a rotation that holds an old key's
		// row, but does not see the successor that it adds. The next pass does;
		// it ends, as no revoked key can be rotated.
		ids, err := s.revokeOwnerOnce(ctx, owner, at)
		all = append(all, ids...)
		if err != nil || len(ids) == 0 {
			return all, failed("revoke owner", err)
		}
	}
}

func (s *Store) revokeOwnerOnce(ctx context.Context, owner string, at time.Time) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, s.q.revokeOwner, micros(at), owner)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// touchBatch bounds how many rows one transaction of Touch locks.
const touchBatch = 500

// Touch implements [apikey.Store]. Its batches are transactions of their own:
// after an error some may be written.
func (s *Store) Touch(ctx context.Context, used map[string]time.Time) error {
	if s.db == nil {
		return errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(used)), touchBatch) {
		err := s.inTx(ctx, func(tx *sql.Tx) error {
			stmt, err := tx.PrepareContext(ctx, s.q.touch)
			if err != nil {
				return err
			}
			defer func() { _ = stmt.Close() }()
			for _, id := range ids {
				at := micros(used[id])
				if _, err := stmt.ExecContext(ctx, at, id, at); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return failed("touch", err)
		}
	}
	return nil
}

// List implements [apikey.Store].
func (s *Store) List(ctx context.Context, f apikey.Filter) ([]apikey.Key, error) {
	if s.db == nil {
		return nil, errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	query, args := s.q.list, []any{f.Cursor, f.Limit}
	if f.Owner != "" {
		query, args = s.q.listOwner, []any{f.Owner, f.Cursor, f.Limit}
	}
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failed("list", err)
	}
	defer func() { _ = rows.Close() }()
	var page []apikey.Key
	for rows.Next() {
		k, err := scan(rows)
		if err != nil {
			return nil, failed("list", err)
		}
		page = append(page, k)
	}
	return page, failed("list", rows.Err())
}

// inTx runs f in a transaction, which is rolled back if f returns an error.
func (s *Store) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the error to return is f's
		return err
	}
	return tx.Commit()
}

package incidentsql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

const (
	defaultKeep = 400 * 24 * time.Hour
	minKeep     = 24 * time.Hour
)

// purge is how many old orders each new one deletes at most. It is more than one, so
// that the table shrinks faster than it grows.
const purge = 8

// tries is how often Begin looks for an order with its Once that another process
// frees at the same moment.
const tries = 3

// A Config configures a [Store]. The zero Config is a good one.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Keep is for how long an order is kept, by the times that orders were given. A
	// day at least; 0: 400 days.
	Keep time.Duration

	// Timeout bounds each call; it ends sooner if its context does. A minute at most;
	// 0: 2 s, and 10 s with SQLite, whose writers wait for each other.
	Timeout time.Duration
}

// A Store is an [incident.Store] and an [incident.KeyStore] in SQL. It is safe for concurrent use, also by
// several processes. The zero Store fails every call. Create one with [New].
type Store struct {
	db        *sql.DB
	keep      time.Duration
	timeout   time.Duration
	isolation *sql.TxOptions // nil: the default
	q         queries
}

var (
	_ incident.Store    = (*Store)(nil)
	_ incident.KeyStore = (*Store)(nil)
)

// queries are the statements in the store's dialect.
type queries struct {
	free, insert, other, purge, finish, get, list string
	keys, putKey                                  string
}

// New returns a store in db, which speaks d, or every mistake, each a
// [*rampart.ConfigError], joined. It does not touch the database: call [Migrate]
// first. A SQLite database needs a busy timeout, and WAL mode for speed.
func New(db *sql.DB, d rampart.Dialect, cfg Config) (*Store, error) {
	if cfg.Keep == 0 {
		cfg.Keep = defaultKeep
	}
	bad := conferr.For("incidentsql.Config")
	bad.Join(sqlutil.Check("incidentsql.New", db, d))
	timeout, ok := sqlutil.Timeout(d, cfg.Timeout)
	bad.If(!ok, "Timeout", rampart.ReasonInvalid, cfg.Timeout, sqlutil.WantTimeout)
	bad.If(cfg.Keep < minKeep, "Keep", rampart.ReasonInvalid, cfg.Keep, "use 24h or more; 0 means 9600h (400 days)")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	s := &Store{db: db, keep: cfg.Keep, timeout: timeout}
	skip := ""
	if d == rampart.PostgreSQL {
		// The default may be serializable, where calls that wait for each other would
		// fail after it.
		s.isolation = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
		skip = ` FOR UPDATE SKIP LOCKED` // two that purge must not wait for each other
	}
	s.q = queries{
		free:   `UPDATE rampart_orders SET once = NULL WHERE once = ? AND open AND at <= ?`,
		insert: `INSERT INTO rampart_orders (id, at, once, open, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		other:  `SELECT body FROM rampart_orders WHERE once = ?`,
		purge: `DELETE FROM rampart_orders WHERE id IN
			(SELECT id FROM rampart_orders WHERE at < ? ORDER BY at LIMIT ?` + skip + `)`,
		finish: `UPDATE rampart_orders SET open = ?, once = CASE WHEN ? THEN NULL ELSE once END, body = ? WHERE id = ?`,
		get:    `SELECT body FROM rampart_orders WHERE id = ?`,
		list:   `SELECT body FROM rampart_orders WHERE id < ? ORDER BY id DESC LIMIT ?`,
		keys:   `SELECT body FROM rampart_keys WHERE kind = ? ORDER BY put_at, id`,
		// The last one is the last though another process put one whose clock is ahead.
		putKey: `INSERT INTO rampart_keys (kind, id, put_at, body)
			SELECT ?, ?, CASE WHEN last < now THEN now ELSE last + 1 END, ?
			FROM (SELECT CAST(? AS BIGINT) AS now, COALESCE(MAX(put_at), 0) AS last FROM rampart_keys WHERE kind = ?) AS t WHERE true
			ON CONFLICT (kind, id) DO UPDATE SET put_at = excluded.put_at, body = excluded.body`,
	}
	for _, q := range []*string{&s.q.free, &s.q.insert, &s.q.other, &s.q.purge, &s.q.finish, &s.q.get, &s.q.list, &s.q.keys, &s.q.putKey} {
		*q = sqlutil.Rebind(d, *q)
	}
	return s, nil
}

var (
	errZero  = errors.New("store not made by New")
	errTaken = errors.New("there is an order with this ID")
)

// failed names the step that failed, and keeps the store's own result.
func failed(step string, err error) error {
	if err == nil || errors.Is(err, incident.ErrNoOrder) {
		return err
	}
	return fmt.Errorf("incidentsql: %s: %w", step, err)
}

// hash makes of a Once what a column can hold and index, whatever its bytes and
// length. It is invalid, which is NULL, for an order that holds none.
func hash(o incident.Order) sql.NullString {
	sum := sha256.Sum256([]byte(o.Once))
	return sql.NullString{String: base64.RawURLEncoding.EncodeToString(sum[:]), Valid: o.HoldsOnce()}
}

// scan reads one order.
func scan(row interface{ Scan(dest ...any) error }) (o incident.Order, err error) {
	var body []byte
	err = row.Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return o, incident.ErrNoOrder
	}
	if err == nil {
		err = json.Unmarshal(body, &o)
	}
	return o, err
}

// Begin implements [incident.Store]. An ID that is taken is an error. It deletes a
// few orders that are older than Config.Keep.
func (s *Store) Begin(ctx context.Context, o incident.Order) (other incident.Order, added bool, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		other, added, err = s.begin(ctx, tx, o)
		return err
	})
	if err != nil {
		return incident.Order{}, false, failed("begin", err)
	}
	if added { // a failure here harms nothing: the next order tries again
		_, _ = s.db.ExecContext(ctx, s.q.purge, o.At.Add(-s.keep).UnixMicro(), purge)
	}
	return other, added, nil
}

func (s *Store) begin(ctx context.Context, tx *sql.Tx, o incident.Order) (incident.Order, bool, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return incident.Order{}, false, err
	}
	once := hash(o)
	// This comes first: it locks the row (in SQLite, the database), so that of many
	// that follow an abandoned order one goes before the others.
	if _, err := tx.ExecContext(ctx, s.q.free, once, o.At.Add(-incident.Abandoned).UnixMicro()); err != nil {
		return incident.Order{}, false, err
	}
	for range tries {
		if ok, err := changed(ctx, tx, s.q.insert, o.ID, o.At.UnixMicro(), once, o.State == incident.Open, string(body)); ok || err != nil {
			return incident.Order{}, ok, err
		}
		other, err := scan(tx.QueryRowContext(ctx, s.q.other, once))
		if !errors.Is(err, incident.ErrNoOrder) {
			return other, false, err
		}
	}
	return incident.Order{}, false, errTaken
}

// Finish implements [incident.Store]. An order that is not there, such as one that
// was too old, is [incident.ErrNoOrder].
func (s *Store) Finish(ctx context.Context, o incident.Order) error {
	return failed("finish", s.inTx(ctx, func(tx *sql.Tx) error {
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		ok, err := changed(ctx, tx, s.q.finish, o.State == incident.Open, !o.HoldsOnce(), string(body), o.ID)
		if err == nil && !ok {
			return incident.ErrNoOrder
		}
		return err
	}))
}

// Get implements [incident.Store].
func (s *Store) Get(ctx context.Context, id string) (incident.Order, error) {
	if s.db == nil {
		return incident.Order{}, failed("get", errZero)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	o, err := scan(s.db.QueryRowContext(ctx, s.q.get, id))
	return o, failed("get", err)
}

// List implements [incident.Store].
func (s *Store) List(ctx context.Context, before string, limit int) ([]incident.Order, error) {
	page, err := s.list(ctx, before, limit)
	return page, failed("list", err)
}

func (s *Store) list(ctx context.Context, before string, limit int) ([]incident.Order, error) {
	if s.db == nil {
		return nil, errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if before == "" {
		before = "~" // after all that an ID is made of
	}
	rows, err := s.db.QueryContext(ctx, s.q.list, before, max(limit, 0))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []incident.Order
	for rows.Next() {
		o, err := scan(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, o)
	}
	return page, rows.Err()
}

// changed runs a statement on one row and reports whether it changed it.
func changed(ctx context.Context, tx *sql.Tx, query string, args ...any) (bool, error) {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// inTx runs f in a transaction, which is rolled back if f returns an error.
func (s *Store) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	if s.db == nil {
		return errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	tx, err := s.db.BeginTx(ctx, s.isolation)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the error to return is f's
		return err
	}
	return tx.Commit()
}

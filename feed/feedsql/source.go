package feedsql

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// publishLock is the key of the advisory lock that PostgreSQL's publishers hold
// until they have committed, so that sequence numbers become visible in order.
// SQLite has one writer at a time anyway.
const publishLock = 0x72616d7061727402

// purge is how many expired rows each Publish deletes at most. It is more than
// one, so that the table shrinks faster than it grows.
const purge = 16

// source keeps the changes in one table, and the instances in another. Expiry is judged by the database's
// clock, in microseconds since 1970.
type source struct {
	db                          *sql.DB
	lock, insert, delete, since string         // lock: empty where none is needed
	isolation                   *sql.TxOptions // nil: the default
	timeout                     time.Duration
	instances                   instances
}

// New returns a source in db, where [Migrate] has made the tables. All instances
// use one database, and the one that is written to: a replica lags.
func New(db *sql.DB, d rampart.Dialect) (feed.Source, error) {
	if err := sqlutil.Check("feedsql.New", db, d); err != nil {
		return nil, err
	}
	s := &source{db: db}
	s.timeout, _ = sqlutil.Timeout(d, 0) // a server that hangs must not hold a log-out
	now := `CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)`
	if d == rampart.PostgreSQL {
		// The default may be serializable, where publishers that wait for the lock
		// would fail after it.
		s.isolation = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
		s.lock = fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, int64(publishLock))
		now = `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`
	}
	s.insert = sqlutil.Rebind(d, `INSERT INTO rampart_feed (topic, data, expires_at) VALUES (?, ?, `+now+` + ?)`)
	s.delete = sqlutil.Rebind(d, `DELETE FROM rampart_feed WHERE seq IN
		(SELECT seq FROM rampart_feed WHERE expires_at <= `+now+` AND seq <= (SELECT max(seq) FROM rampart_feed) - ? ORDER BY expires_at LIMIT ?)`)
	s.since = sqlutil.Rebind(d, `SELECT seq, topic, data, expires_at FROM rampart_feed WHERE seq > ? ORDER BY seq LIMIT ?`)
	s.instances = instancesOf(d, now)
	return s, nil
}

// Publish implements [feed.Source].
func (s *source) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if data == nil {
		data = []byte{} // not NULL
	}
	tx, err := s.db.BeginTx(ctx, s.isolation)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if s.lock != "" {
		if _, err := tx.ExecContext(ctx, s.lock); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, s.insert, topic, data, keep.Microseconds()); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, s.delete, feed.Kept, purge); err != nil {
		return err
	}
	return tx.Commit()
}

// Since implements [feed.Source].
func (s *source) Since(ctx context.Context, seq int64, limit int) ([]feed.Change, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.since, seq, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []feed.Change
	for rows.Next() {
		var c feed.Change
		var expires int64
		if err := rows.Scan(&c.Seq, &c.Topic, &c.Data, &expires); err != nil {
			return nil, err
		}
		c.Expires = time.UnixMicro(expires)
		found = append(found, c)
	}
	return found, rows.Err()
}

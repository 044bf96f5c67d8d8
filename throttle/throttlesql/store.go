package throttlesql

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/sqlutil"
	"github.com/ecolaura/rampart/throttle"
)

// A purge is due after so many changes, and deletes more rows than those can have made.
const (
	purgeEvery = 64
	purgeRows  = 16 * purgeEvery
)

// A Config configures a [Store]. The zero Config is a good one.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Timeout bounds each call; it ends sooner if its context does. A minute at most;
	// 0: 2 s, and 10 s with SQLite, whose writers wait for each other.
	Timeout time.Duration
}

// A Store is a [throttle.Store] in SQL. It is safe for concurrent use, also by several
// processes. PostgreSQL's clock counts, or with SQLite the machine's. The zero Store fails
// every call. Create one with [New].
type Store struct {
	db        *sql.DB
	dialect   rampart.Dialect
	timeout   time.Duration
	isolation *sql.TxOptions // nil: the default
	changes   atomic.Uint64

	hold, now, keep, reset, purge string // the statements, in the store's dialect
}

var _ throttle.Store = (*Store)(nil)

// New returns a store in db, which speaks d, or every mistake, each a
// [*rampart.ConfigError], joined. It does not touch the database: call [Migrate]
// first. A SQLite database needs a busy timeout, and WAL mode for speed.
func New(db *sql.DB, d rampart.Dialect, cfg Config) (*Store, error) {
	bad := conferr.For("throttlesql.Config")
	bad.Join(sqlutil.Check("throttlesql.New", db, d))
	timeout, ok := sqlutil.Timeout(d, cfg.Timeout)
	bad.If(!ok, "Timeout", rampart.ReasonInvalid, cfg.Timeout, sqlutil.WantTimeout)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	s := &Store{db: db, dialect: d, timeout: timeout}
	skip := ""
	if d == rampart.PostgreSQL {
		// The default may be serializable, where calls that wait for each other would
		// fail after it.
		s.isolation = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
		skip = ` FOR UPDATE SKIP LOCKED` // no purge waits for a request
	}
	// It writes, so that it locks the row, in SQLite the database, before it reads.
	s.hold = sqlutil.Rebind(d, `INSERT INTO rampart_throttle (caller, rate, state, full_at) VALUES (?, ?, ?, 0)
		ON CONFLICT (caller, rate) DO UPDATE SET full_at = rampart_throttle.full_at RETURNING state`)
	// Nothing waits for the disk: what a crash of PostgreSQL forgets is less than a second
	// of charges.
	s.now = `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT), set_config('synchronous_commit', 'off', true)`
	s.keep = sqlutil.Rebind(d, `UPDATE rampart_throttle SET state = ?, full_at = ? WHERE caller = ? AND rate = ?`)
	s.reset = sqlutil.Rebind(d, `DELETE FROM rampart_throttle WHERE caller = ?`)
	s.purge = sqlutil.Rebind(d, `DELETE FROM rampart_throttle WHERE (caller, rate) IN
		(SELECT caller, rate FROM rampart_throttle WHERE full_at < ? ORDER BY full_at LIMIT ?`+skip+`)`)
	return s, nil
}

var errZero = errors.New("the store was not made with New")

func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("throttlesql: %s: %w", what, err)
}

// errRefused ends a transaction that shall change nothing.
var errRefused = errors.New("refused")

// Take implements [throttle.Store].
func (s *Store) Take(ctx context.Context, items []throttle.Item, out []throttle.Result) (bool, error) {
	allowed := false
	err := s.step(ctx, items, func(now time.Time, states [][]byte) ([]time.Duration, error) {
		before := slices.Clone(states)
		if allowed = throttle.Step(now, items, states, out); !allowed && slices.EqualFunc(before, states, bytes.Equal) {
			return nil, errRefused
		}
		full := make([]time.Duration, len(items))
		for i := range out {
			full[i] = out[i].ResetAfter
		}
		return full, nil
	})
	if errors.Is(err, errRefused) {
		return false, nil
	}
	if err != nil && s.dialect == rampart.SQLite && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		// It is a file: the call has waited for those before it. To let it pass would let
		// a flood pass.
		err = fmt.Errorf("%w: %w", throttle.ErrBusy, err)
	}
	return allowed && err == nil, failed("take", err)
}

// Give implements [throttle.Store].
func (s *Store) Give(ctx context.Context, items []throttle.Item) error {
	return failed("give", s.step(ctx, items, func(now time.Time, states [][]byte) ([]time.Duration, error) {
		throttle.StepBack(now, items, states)
		full := make([]time.Duration, len(items))
		peeks, out := slices.Clone(items), make([]throttle.Result, len(items))
		for i := range peeks {
			peeks[i].Cost = 0
		}
		throttle.Step(now, peeks, states, out)
		for i := range out {
			full[i] = out[i].ResetAfter
		}
		return full, nil
	}))
}

// Reset implements [throttle.Store].
func (s *Store) Reset(ctx context.Context, policy string, keys ...string) error {
	if s.db == nil {
		return failed("reset", errZero)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for _, key := range keys {
		if _, err := s.db.ExecContext(ctx, s.reset, callerOf(policy, key)); err != nil {
			return failed("reset", err)
		}
	}
	return nil
}

// step changes the states of items in one transaction. change returns when each is full
// again.
func (s *Store) step(ctx context.Context, items []throttle.Item, change func(now time.Time, states [][]byte) ([]time.Duration, error)) error {
	if s.db == nil {
		return errZero
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	tx, err := s.db.BeginTx(ctx, s.isolation)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	names, states := make([]name, len(items)), make([][]byte, len(items))
	for i := range items {
		names[i] = nameOf(&items[i], i)
	}
	slices.SortFunc(names, name.compare) // so that no two calls wait for each other
	for _, n := range names {
		if err := tx.QueryRowContext(ctx, s.hold, n.caller, n.rate, []byte{}).Scan(&states[n.item]); err != nil {
			return err
		}
	}
	now := time.Now()
	if s.dialect == rampart.PostgreSQL {
		var micros int64
		var off string
		if err := tx.QueryRowContext(ctx, s.now).Scan(&micros, &off); err != nil {
			return err
		}
		now = time.UnixMicro(micros)
	}
	full, err := change(now, states)
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, err := tx.ExecContext(ctx, s.keep, states[n.item], now.Add(full[n.item]).UnixMicro()+1, n.caller, n.rate); err != nil {
			return err
		}
	}
	if s.changes.Add(1)%purgeEvery == 0 {
		if _, err := tx.ExecContext(ctx, s.purge, now.UnixMicro(), purgeRows); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// A name is how the row of an item is found.
type name struct {
	caller, rate []byte
	item         int
}

func (n name) compare(o name) int {
	return cmp.Or(slices.Compare(n.caller, o.caller), slices.Compare(n.rate, o.rate))
}

func nameOf(it *throttle.Item, i int) name {
	rate := []byte{byte(it.Algorithm)}
	rate = binary.BigEndian.AppendUint32(rate, uint32(it.Rate.Count))  //nolint:gosec // 1 to 1<<31-1
	rate = binary.BigEndian.AppendUint64(rate, uint64(it.Rate.Period)) //nolint:gosec // positive
	rate = binary.BigEndian.AppendUint32(rate, uint32(it.Rate.Burst))  //nolint:gosec // as the count
	return name{callerOf(it.Policy, it.Key), rate, i}
}

// callerOf hashes the two so that none runs into the other.
func callerOf(policy, key string) []byte {
	text := append(binary.BigEndian.AppendUint32(nil, uint32(len(policy))), policy...) //nolint:gosec // 64 characters
	sum := sha256.Sum256(append(text, key...))
	return sum[:16]
}

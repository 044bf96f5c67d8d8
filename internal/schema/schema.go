// Package schema brings the tables of the SQL stores up to date in numbered
// steps, and records in the table rampart_schema which of them have run.
//
// While a service is updated, the release before works beside the new one, on
// the tables of the new one. So a step only adds: it never removes, renames or
// tightens what the release before reads or writes. A release that finds a higher
// version than its own therefore runs on and leaves it alone. Where a later step
// has to clear up, its [Step.Needs] turns away programs that cannot live with it.
package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// A Step brings a room's tables from one version to the next. Once released it
// is never edited: a change is a further step.
type Step struct {
	Do    []string // the statements, in order
	Needs int      // the lowest version a program must have to start from now on; 0: any
}

// lock returns the statements with which a transaction waits for every other that
// migrates. PostgreSQL needs it because two CREATE TABLE IF NOT EXISTS at once can
// collide. In SQLite a transaction that reads first fails at its first write if
// another has written in between, so this one writes first, and leaves nothing.
func lock(d rampart.Dialect) []string {
	if d == rampart.PostgreSQL {
		return []string{`SELECT pg_advisory_xact_lock(8241989122503373825)`} // a number of ours
	}
	return []string{`CREATE TABLE rampart_schema_lock (locked INTEGER)`, `DROP TABLE rampart_schema_lock`}
}

// table is of PostgreSQL and SQLite alike. Times are microseconds since 1970.
const table = `CREATE TABLE IF NOT EXISTS rampart_schema (
	room       TEXT    NOT NULL,
	version    INTEGER NOT NULL,
	needs      INTEGER NOT NULL,
	applied_at BIGINT  NOT NULL,
	PRIMARY KEY (room, version)
)`

// Migrate runs the steps of a room, the name of a package, that the database has
// not recorded yet, all in one transaction or none. The number of steps is the
// version of the room and of the program; what is older than the record has
// version 0. Several processes may call it at once.
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect, room string, steps []Step) error {
	if err := sqlutil.Check(room+".Migrate", db, d); err != nil {
		return err
	}
	// What nearly every start does: one read, for which a role needs no other
	// right. An error may mean that there is no table yet; any other shows again.
	todo, err := pending(ctx, db, d, room, steps)
	if len(todo) > 0 || err != nil && !errors.Is(err, rampart.ErrOutdated) {
		err = catchUp(ctx, db, d, room, steps)
	}
	if err != nil {
		return fmt.Errorf("%s: migrate: %w", room, err)
	}
	return nil
}

func catchUp(ctx context.Context, db *sql.DB, d rampart.Dialect, room string, steps []Step) error {
	// Under a stricter level PostgreSQL would go on seeing what was there before
	// it waited for the lock. SQLite has one level, and some drivers take no other.
	level := sql.LevelDefault
	if d == rampart.PostgreSQL {
		level = sql.LevelReadCommitted
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	for _, statement := range append(lock(d), table) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	todo, err := pending(ctx, tx, d, room, steps)
	if err != nil {
		return err
	}
	record := sqlutil.Rebind(d, `INSERT INTO rampart_schema (room, version, needs, applied_at) VALUES (?, ?, ?, ?)`)
	for i, step := range todo {
		version := len(steps) - len(todo) + i + 1
		for _, statement := range step.Do {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("version %d: %w", version, err)
			}
		}
		if _, err := tx.ExecContext(ctx, record, room, version, step.Needs, time.Now().UnixMicro()); err != nil {
			return fmt.Errorf("recording version %d: %w", version, err)
		}
	}
	return tx.Commit()
}

// A reader is a database, or a transaction in it.
type reader interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// pending returns the steps that the database has not recorded.
func pending(ctx context.Context, from reader, d rampart.Dialect, room string, steps []Step) ([]Step, error) {
	var version, needs int
	err := from.QueryRowContext(ctx, sqlutil.Rebind(d, `SELECT COALESCE(MAX(version), 0), COALESCE(MAX(needs), 0)
		FROM rampart_schema WHERE room = ?`), room).Scan(&version, &needs)
	if err != nil {
		return nil, err
	}
	if needs > len(steps) {
		return nil, fmt.Errorf("%w (the tables have version %d and need a program of version %d; this one has %d)",
			rampart.ErrOutdated, version, needs, len(steps))
	}
	return steps[min(version, len(steps)):], nil
}

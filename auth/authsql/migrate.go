package authsql

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ecolaura/rampart"
)

// schema is the same in both dialects. Times are microseconds since 1970: one
// type, one resolution, one order everywhere. The floor of subject "" is
// everybody's.
func schema() []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS rampart_sessions (
			id               TEXT    PRIMARY KEY,
			subject          TEXT    NOT NULL,
			authenticated_at BIGINT  NOT NULL,
			generation       BIGINT  NOT NULL,
			rotated_at       BIGINT  NOT NULL,
			expires_at       BIGINT  NOT NULL,
			ends_at          BIGINT  NOT NULL,
			revoked          BOOLEAN NOT NULL DEFAULT FALSE
		)`,
		`CREATE INDEX IF NOT EXISTS rampart_sessions_ends_at ON rampart_sessions (ends_at)`,
		`CREATE TABLE IF NOT EXISTS rampart_session_floors (
			subject TEXT   PRIMARY KEY,
			floor   BIGINT NOT NULL
		)`,
	}
}

// migrationLock is the key of the advisory lock that Migrate takes in
// PostgreSQL, where two CREATE TABLE IF NOT EXISTS at once can collide.
const migrationLock = 0x72616d7061727401

// Migrate creates the tables that are not there yet. It may run in several
// processes at once, and again at every start.
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect) error {
	if err := check(db, d); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("authsql: migrate: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	statements := schema()
	if d == rampart.PostgreSQL {
		statements = append([]string{fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", int64(migrationLock))}, statements...)
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("authsql: migrate: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("authsql: migrate: %w", err)
	}
	return nil
}

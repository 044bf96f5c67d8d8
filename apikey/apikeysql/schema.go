package apikeysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ecolaura/rampart"
)

// Times are microseconds since 1970, and 0 means never: both dialects compare
// integers alike, whatever the time zone of a session. The ids are compared
// byte by byte, so that pages are in the order of creation under every locale.
const (
	sqliteTable = `CREATE TABLE IF NOT EXISTS rampart_api_keys (
	id        TEXT    NOT NULL PRIMARY KEY,
	hash      BLOB    NOT NULL UNIQUE,
	name      TEXT    NOT NULL,
	owner     TEXT    NOT NULL,
	plan      TEXT    NOT NULL,
	scopes    TEXT    NOT NULL, -- JSON array
	allow     TEXT    NOT NULL, -- JSON array of prefixes
	meta      TEXT    NOT NULL, -- JSON object
	successor TEXT    NOT NULL,
	created   INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	revoked   INTEGER NOT NULL,
	last_used INTEGER NOT NULL
)`
	postgresTable = `CREATE TABLE IF NOT EXISTS rampart_api_keys (
	id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	hash      BYTEA  NOT NULL UNIQUE,
	name      TEXT   NOT NULL,
	owner     TEXT   NOT NULL,
	plan      TEXT   NOT NULL,
	scopes    TEXT   NOT NULL, -- JSON array
	allow     TEXT   NOT NULL, -- JSON array of prefixes
	meta      TEXT   NOT NULL, -- JSON object
	successor TEXT   NOT NULL,
	created   BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	revoked   BIGINT NOT NULL,
	last_used BIGINT NOT NULL
)`
	ownerIndex = `CREATE INDEX IF NOT EXISTS rampart_api_keys_owner ON rampart_api_keys (owner, id)`
)

// migrationLock keeps two starting servers from creating one table at once:
// PostgreSQL's IF NOT EXISTS is no protection against that. The number is ours.
const migrationLock = `SELECT pg_advisory_xact_lock(7813201471)`

var errDialect = errors.New("apikeysql: unknown dialect")

// Schema returns the statements, each of which may be run again, that make the
// table; none for an unknown dialect.
func Schema(d rampart.Dialect) []string {
	switch d {
	case rampart.SQLite:
		return []string{sqliteTable, ownerIndex}
	case rampart.PostgreSQL:
		return []string{postgresTable, ownerIndex}
	default:
		return nil
	}
}

// Migrate makes the table in db, or brings it up to date. It may be called at
// every start, by several processes at once.
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect) error {
	statements := Schema(d)
	if statements == nil {
		return errDialect
	}
	if d == rampart.PostgreSQL {
		statements = append([]string{migrationLock}, statements...)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("apikeysql: migrate: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("apikeysql: migrate: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("apikeysql: migrate: %w", err)
	}
	return nil
}

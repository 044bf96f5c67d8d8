package apikeysql

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/schema"
)

// Times are microseconds since 1970, and 0 means never: both dialects compare
// integers alike, whatever the time zone of a session. The ids are compared
// byte by byte, so that pages are in the order of creation under every locale.
func steps(d rampart.Dialect) []schema.Step {
	id, bytes := `TEXT`, `BLOB`
	if d == rampart.PostgreSQL {
		id, bytes = `TEXT COLLATE "C"`, `BYTEA`
	}
	return []schema.Step{
		{Do: []string{
			`CREATE TABLE IF NOT EXISTS rampart_api_keys (
				id        ` + id + ` NOT NULL PRIMARY KEY,
				hash      ` + bytes + ` NOT NULL UNIQUE,
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
			)`,
			`CREATE INDEX IF NOT EXISTS rampart_api_keys_owner ON rampart_api_keys (owner, id)`,
		}},
	}
}

// Migrate makes the table in db, or brings it up to date, and records that in the
// table rampart_schema. It may run at every start, in several processes at once, and
// beside the release before, which works on. It is one read where all is recorded:
// a program without the right to make tables can start once another has migrated.
// An error that is [rampart.ErrOutdated] says that this program is too old.
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect) error {
	return schema.Migrate(ctx, db, d, "apikeysql", steps(d))
}

package feedsql

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/schema"
)

// Sequence numbers are never used twice, also not those of deleted rows.
func steps(d rampart.Dialect) []schema.Step {
	seq, bytes := `INTEGER PRIMARY KEY AUTOINCREMENT`, `BLOB`
	if d == rampart.PostgreSQL {
		seq, bytes = `BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY`, `BYTEA`
	}
	return []schema.Step{
		{Do: []string{
			`CREATE TABLE IF NOT EXISTS rampart_feed (
				seq        ` + seq + `,
				topic      TEXT   NOT NULL,
				data       ` + bytes + ` NOT NULL,
				expires_at BIGINT NOT NULL
			)`,
			`CREATE INDEX IF NOT EXISTS rampart_feed_expires_at ON rampart_feed (expires_at)`,
		}},
		// No index but that of the key: a row is written every few seconds, and
		// PostgreSQL updates in place what no index has.
		{Do: []string{
			`CREATE TABLE rampart_feed_instances (
				id         TEXT   PRIMARY KEY,
				version    TEXT   NOT NULL,
				started_at BIGINT NOT NULL,
				seq        BIGINT NOT NULL,
				seen_at    BIGINT NOT NULL,
				expires_at BIGINT NOT NULL
			)`,
		}},
	}
}

// Migrate makes the tables in db, or brings them up to date, and records that in the
// table rampart_schema. It may run at every start, in several processes at once, and
// beside the release before, which works on. It is one read where all is recorded:
// a program without the right to make tables can start once another has migrated.
// An error that is [rampart.ErrOutdated] says that this program is too old.
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect) error {
	return schema.Migrate(ctx, db, d, "feedsql", steps(d))
}

package incidentsql

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/schema"
)

// IDs are compared byte by byte, so that pages are in the order of time under every
// locale.
func steps(d rampart.Dialect) []schema.Step {
	id := `TEXT`
	if d == rampart.PostgreSQL {
		id = `TEXT COLLATE "C"`
	}
	return []schema.Step{
		{Do: []string{
			`CREATE TABLE IF NOT EXISTS rampart_orders (
				id   ` + id + ` NOT NULL PRIMARY KEY,
				at   BIGINT  NOT NULL, -- microseconds since 1970
				once TEXT    UNIQUE,   -- a hash; NULL: none, or free again
				open BOOLEAN NOT NULL,
				body TEXT    NOT NULL  -- JSON object
			)`,
			`CREATE INDEX IF NOT EXISTS rampart_orders_at ON rampart_orders (at)`,
			`CREATE TABLE IF NOT EXISTS rampart_keys (
				kind   TEXT   NOT NULL,
				id     TEXT   NOT NULL,
				put_at BIGINT NOT NULL, -- microseconds since 1970
				body   TEXT   NOT NULL, -- JSON object; the key in it is sealed
				PRIMARY KEY (kind, id)
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
	return schema.Migrate(ctx, db, d, "incidentsql", steps(d))
}

package throttlesql

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/schema"
)

func steps(d rampart.Dialect) []schema.Step {
	bytes := "BLOB"
	if d == rampart.PostgreSQL {
		bytes = "BYTEA"
	}
	return []schema.Step{{Do: []string{
		`CREATE TABLE IF NOT EXISTS rampart_throttle (
			caller  ` + bytes + ` NOT NULL, -- a hash of the policy and the key
			rate    ` + bytes + ` NOT NULL, -- of the algorithm and the rate
			state   ` + bytes + ` NOT NULL,
			full_at BIGINT NOT NULL, -- microseconds since 1970
			PRIMARY KEY (caller, rate)
		)`,
		`CREATE INDEX IF NOT EXISTS rampart_throttle_full_at ON rampart_throttle (full_at)`,
	}}}
}

// Migrate makes the table in db, or brings it up to date, and records that in the table
// rampart_schema. It may run at every start, in several processes at once, and before
// the release that it replaces has stopped. An older program than the table is for gets
// [rampart.ErrOutdated].
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect) error {
	return schema.Migrate(ctx, db, d, "throttlesql", steps(d))
}

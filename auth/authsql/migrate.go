package authsql

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/schema"
)

// steps are the same in both dialects. Times are microseconds since 1970: one
// type, one resolution, one order everywhere. The floor of subject "" is
// everybody's.
func steps() []schema.Step {
	return []schema.Step{
		{Do: []string{
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
		}},
		{Do: []string{
			`ALTER TABLE rampart_sessions ADD COLUMN device TEXT NOT NULL DEFAULT ''`,
			`CREATE INDEX IF NOT EXISTS rampart_sessions_subject ON rampart_sessions (subject, authenticated_at)`,
		}},
	}
}

// Migrate makes the tables in db, or brings them up to date, and records that in the
// table rampart_schema. It may run at every start, in several processes at once, and
// beside the release before, which works on. It is one read where all is recorded:
// a program without the right to make tables can start once another has migrated.
// An error that is [rampart.ErrOutdated] says that this program is too old.
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect) error {
	return schema.Migrate(ctx, db, d, "authsql", steps())
}

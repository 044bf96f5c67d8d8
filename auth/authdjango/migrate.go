package authdjango

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/internal/schema"
)

// steps make the one table that Django's and those of authsql leave to us: the jti of
// the generation of a session that Django has made. The jti of every other is the
// session's id and the number.
func steps() []schema.Step {
	return []schema.Step{{Do: []string{
		`CREATE TABLE IF NOT EXISTS rampart_django_tokens (
			session    TEXT   PRIMARY KEY,
			generation BIGINT NOT NULL,
			jti        TEXT   NOT NULL,
			ends_at    BIGINT NOT NULL
		)`,
		`CREATE INDEX IF NOT EXISTS rampart_django_tokens_ends_at ON rampart_django_tokens (ends_at)`,
	}}}
}

// Migrate makes the tables of this package and of authsql in db, or brings them up to
// date, as [authsql.Migrate] does. Django makes its own.
func Migrate(ctx context.Context, db *sql.DB, d rampart.Dialect) error {
	if err := authsql.Migrate(ctx, db, d); err != nil {
		return err
	}
	return schema.Migrate(ctx, db, d, "authdjango", steps())
}

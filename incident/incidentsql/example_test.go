package incidentsql_test

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentsql"
)

// At the start of a server, which has opened the database with its driver.
func ExampleMigrate() {
	_ = func(ctx context.Context, db *sql.DB) (incident.Store, error) {
		if err := incidentsql.Migrate(ctx, db, rampart.PostgreSQL); err != nil {
			return nil, err
		}
		return incidentsql.New(db, rampart.PostgreSQL, incidentsql.Config{})
	}
	// Output:
}

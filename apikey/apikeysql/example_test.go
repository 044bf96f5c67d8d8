package apikeysql_test

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
)

// At the start of a server, which has opened the database with its driver.
func ExampleMigrate() {
	_ = func(ctx context.Context, db *sql.DB) (*apikey.Keys, error) {
		if err := apikeysql.Migrate(ctx, db, rampart.PostgreSQL); err != nil {
			return nil, err
		}
		store, err := apikeysql.New(db, rampart.PostgreSQL, apikeysql.Config{})
		if err != nil {
			return nil, err
		}
		return apikey.New(apikey.Config{Store: store, Prefix: "eco_live"})
	}
	// Output:
}

package integration_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
	"github.com/ecolaura/rampart/apikey/apikeytest"
)

// apikeyDatabases are the databases that package apikeysql speaks to.
var apikeyDatabases = []struct {
	dialect rampart.Dialect
	open    func(testing.TB) *sql.DB
}{
	{rampart.SQLite, openSQLite},
	{rampart.PostgreSQL, openPostgres},
}

func apikeyStore(t testing.TB, db *sql.DB, d rampart.Dialect) *apikeysql.Store {
	t.Helper()
	if err := apikeysql.Migrate(context.Background(), db, d); err != nil {
		t.Fatal(err)
	}
	s, err := apikeysql.New(db, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAPIKeySQLKeepsTheContract(t *testing.T) {
	for _, tt := range apikeyDatabases {
		t.Run(tt.dialect.String(), func(t *testing.T) {
			apikeytest.TestStore(t, func(t testing.TB) apikey.Store { return apikeyStore(t, tt.open(t), tt.dialect) })
		})
	}
}

package integration_test

import "testing"

func TestTheDatabasesAnswer(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		if err := openSQLite(t).PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		if err := openPostgres(t).PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

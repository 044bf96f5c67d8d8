package integration_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// missing skips the test, or fails it where RAMPART_REQUIRE names the service:
// in CI a skip would hide a test that never runs.
func missing(t testing.TB, service, howTo string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), service) {
		t.Fatalf("%s is required here but not found: %s", service, howTo)
	}
	t.Skipf("SKIPPED: no %s: %s", service, howTo)
}

// openSQLite opens a fresh database file with the settings that the example
// server uses.
func openSQLite(t testing.TB) *sql.DB {
	t.Helper()
	return openSQLiteFile(t, filepath.Join(t.TempDir(), "test.db"))
}

func openSQLiteFile(t testing.TB, file string) *sql.DB {
	t.Helper()
	pragmas := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+file+"?"+pragmas.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	// The switch to WAL needs a fresh file alone, and does not wait for others.
	for range 100 {
		if err = db.PingContext(t.Context()); err == nil {
			return db
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

// openPostgres opens a fresh schema in the database that RAMPART_POSTGRES
// names, or in the one that `make services` creates.
func openPostgres(t testing.TB) *sql.DB {
	t.Helper()
	return openDSN(t, postgresSchema(t))
}

func openDSN(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// postgresSchema makes the schema, and returns its URL.
func postgresSchema(t testing.TB) string {
	t.Helper()
	dsn := cmp.Or(os.Getenv("RAMPART_POSTGRES"), "postgres://rampart:rampart@127.0.0.1:5432/rampart_test?sslmode=disable")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.PingContext(ctx); err != nil {
		missing(t, "postgres", "run `make services`, or set RAMPART_POSTGRES to a postgres:// URL ("+err.Error()+")")
	}
	schema := "test_" + strings.ToLower(rand.Text())
	if _, err := admin.ExecContext(ctx, "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	t.Cleanup(func() {
		_, _ = admin.Exec("DROP SCHEMA " + schema + " CASCADE")
		_ = admin.Close()
	})
	return u.String()
}

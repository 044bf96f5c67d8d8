package main

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// freshPostgres makes an empty schema, and returns the URL of it; "": there is no
// PostgreSQL.
func freshPostgres(t *testing.T) string {
	t.Helper()
	dsn := cmp.Or(os.Getenv("RAMPART_POSTGRES"), "postgres://rampart:rampart@127.0.0.1:5432/rampart_test?sslmode=disable")
	admin, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close() })
	if err := admin.PingContext(t.Context()); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "postgres") {
			t.Fatal(err)
		}
		return ""
	}
	schema := "gateway_" + strings.ToLower(rand.Text())
	_, err = admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = admin.Exec("DROP SCHEMA " + schema + " CASCADE") })
	return dsn + "&search_path=" + schema
}

func TestQuotasOutliveAProcessThatIsKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kong.yml")
	require.NoError(t, os.WriteFile(file, []byte(`_format_version: "3.0"
plans: [{name: gold, quota_month: 3, window: calendar}]
consumers: [{username: alice, plan: gold, keyauth_credentials: [{key: alice-key-0123456789}]}]
routes: [{name: r, paths: [/]}]
plugins: [{name: key-auth}, {name: request-termination, config: {status_code: 200}}]
`), 0o600))
	for name, db := range map[string]string{"SQLite": filepath.Join(t.TempDir(), "gateway #1.db"), "PostgreSQL": freshPostgres(t)} {
		t.Run(name, func(t *testing.T) {
			if db == "" {
				t.Skip("SKIPPED: no PostgreSQL: run `make services`, or set RAMPART_POSTGRES to a postgres:// URL")
			}
			for _, want := range []int{200, 200, 200, 429} {
				p := startProcess(t, []string{"GATEWAY_DB=" + db}, "-config", file)
				assert.Equal(t, want, do(t, "GET", p.proxy+"/", "", "apikey: alice-key-0123456789").status)
				require.NoError(t, p.cmd.Process.Kill())
			}
		})
	}
}

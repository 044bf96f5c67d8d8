package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheImportOfTheGuideCanRunAgain runs step 4 of docs/migrating-from-django.md, as it
// stands there, twice, with changes of Django's between.
func TestTheImportOfTheGuideCanRunAgain(t *testing.T) {
	guide, err := os.ReadFile("../../docs/migrating-from-django.md")
	require.NoError(t, err)
	inserts := regexp.MustCompile(`(?m)^    INSERT INTO [^;]*;`).FindAllString(string(guide), -1)
	require.Len(t, inserts, 2)
	for name, where := range map[string]func(*testing.T) (driver, url string){
		"SQLite":     func(t *testing.T) (driver, url string) { return "sqlite", filepath.Join(t.TempDir(), "django.sqlite3") },
		"PostgreSQL": func(t *testing.T) (driver, url string) { return "pgx", freshPostgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			driver, url := where(t)
			db, err := sql.Open(driver, url)
			require.NoError(t, err)
			t.Cleanup(func() { _ = db.Close() })
			exec := func(statements ...string) {
				for _, s := range statements {
					_, err := db.ExecContext(t.Context(), s)
					require.NoError(t, err, s)
				}
			}
			exec(`CREATE TABLE auth_user (id BIGINT PRIMARY KEY, username TEXT, password TEXT, is_active BOOLEAN)`,
				`CREATE TABLE shop_customer (id BIGINT PRIMARY KEY, email TEXT, name TEXT, phone_enc TEXT)`,
				`INSERT INTO auth_user VALUES (1, 'ann', 'old', true), (2, 'ben', 'same', true)`,
				`INSERT INTO shop_customer VALUES (7, 'ann@example.com', 'Ann', 'a'), (8, 'ben@example.com', 'Ben', 'b')`)
			status, _, log := shell(t, url, "", "user", "list") // which makes the tables
			require.Equal(t, 0, status, log)
			exec(inserts...)
			exec(`UPDATE customers SET phone_index = 'found'`, `UPDATE users SET scopes = 'ops'`,
				`UPDATE auth_user SET password = 'new' WHERE id = 1`, `UPDATE auth_user SET is_active = false WHERE id = 2`, `INSERT INTO auth_user VALUES (3, 'cid', 'x', true)`,
				`UPDATE shop_customer SET phone_enc = 'c' WHERE id = 7`)
			exec(inserts...)

			count := func(where string) (n int) {
				require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+where).Scan(&n))
				return n
			}
			assert.Equal(t, 3, count(`users WHERE NOT demo`))
			assert.Equal(t, 1, count(`users WHERE id = 1 AND password = 'new' AND active AND scopes = 'ops'`))
			assert.Equal(t, 1, count(`users WHERE id = 2 AND NOT active`))
			assert.Equal(t, 1, count(`customers WHERE id = 7 AND phone = 'c' AND phone_index IS NULL`), "customer index takes it again")
			assert.Equal(t, 1, count(`customers WHERE id = 8 AND phone_index = 'found'`))
		})
	}
}

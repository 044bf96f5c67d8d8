package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/schema"
)

// shopSteps are the tables of a room that only these tests have. Version 2 fails
// if it is run twice; version 4 clears up what only programs of version 1 need.
var shopSteps = []schema.Step{
	{Do: []string{`CREATE TABLE IF NOT EXISTS shop_items (id TEXT PRIMARY KEY, name TEXT NOT NULL, code TEXT NOT NULL DEFAULT '')`}},
	{Do: []string{`ALTER TABLE shop_items ADD COLUMN price BIGINT NOT NULL DEFAULT 7`}},
	{Do: []string{`CREATE TABLE shop_orders (id TEXT PRIMARY KEY)`, `CREATE INDEX shop_orders_id ON shop_orders (id)`}},
	{Do: []string{`ALTER TABLE shop_items DROP COLUMN code`}, Needs: 2},
}

// shopWrites is what the program of each version writes; the first is of version 1.
var shopWrites = []string{
	`INSERT INTO shop_items (id, name, code) VALUES ('%s', 'n', 'c')`,
	`INSERT INTO shop_items (id, name, price) VALUES ('%s', 'n', 7)`,
	`INSERT INTO shop_orders (id) VALUES ('%s')`,
}

// schemaDB is a fresh database that any number of processes can open.
type schemaDB struct {
	dialect        rampart.Dialect
	driver, source string
}

// open opens it once more, with some more settings in its URL.
func (s schemaDB) open(t testing.TB, settings string) *sql.DB {
	t.Helper()
	db, err := sql.Open(s.driver, s.source+settings)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (s schemaDB) migrate(ctx context.Context, db *sql.DB, steps []schema.Step) error {
	return schema.Migrate(ctx, db, s.dialect, "shopsql", steps)
}

// eachSchemaDB runs a test on both dialects, with the settings that make it easy
// and those that make it hard.
func eachSchemaDB(t *testing.T, run func(t *testing.T, s schemaDB)) {
	t.Helper()
	sqlite := func(t *testing.T, settings string) schemaDB {
		t.Helper()
		file := filepath.Join(t.TempDir(), "schema.db")
		openSQLiteFile(t, file) // sets WAL
		return schemaDB{rampart.SQLite, "sqlite", "file:" + file + "?_pragma=busy_timeout(10000)" + settings}
	}
	postgres := func(t *testing.T, settings string) schemaDB {
		t.Helper()
		return schemaDB{rampart.PostgreSQL, "pgx", postgresSchema(t) + settings}
	}
	for _, tt := range []struct {
		desc, settings string
		make           func(*testing.T, string) schemaDB
	}{
		{"SQLite, a transaction locks when it begins", "&_txlock=immediate", sqlite},
		{"SQLite, a transaction locks when it writes", "", sqlite},
		{"PostgreSQL", "", postgres},
		{"PostgreSQL, every transaction is serializable", "&default_transaction_isolation=serializable", postgres},
	} {
		t.Run(tt.desc, func(t *testing.T) { run(t, tt.make(t, tt.settings)) })
	}
}

// recordedVersions returns what is recorded, such as "shopsql 1, shopsql 2".
func recordedVersions(t *testing.T, db *sql.DB) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT room, version, applied_at FROM rampart_schema ORDER BY room, version`)
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var room string
		var version, at int64
		require.NoError(t, rows.Scan(&room, &version, &at))
		assert.WithinDuration(t, time.Now(), time.UnixMicro(at), time.Minute)
		all = append(all, fmt.Sprint(room, " ", version))
	}
	require.NoError(t, rows.Err())
	return strings.Join(all, ", ")
}

func count(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n), query)
	return n
}

func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

func TestSchemaReachesTheNewestVersionFromEachOlderOne(t *testing.T) {
	newest := shopSteps[:3]
	for from := range len(newest) + 1 {
		t.Run(fmt.Sprint("from version ", from), func(t *testing.T) {
			eachSchemaDB(t, func(t *testing.T, s schemaDB) {
				db := s.open(t, "")
				if from == 0 { // as a release left it that recorded nothing
					execute(t, db, newest[0].Do...)
				}
				require.NoError(t, s.migrate(t.Context(), db, newest[:from]))
				for i, write := range shopWrites[:max(from, 1)] {
					execute(t, db, fmt.Sprintf(write, fmt.Sprint("before", i)))
				}
				was := count(t, db, `SELECT count(*) FROM shop_items`)
				require.NoError(t, s.migrate(t.Context(), db, newest))
				assert.Equal(t, "shopsql 1, shopsql 2, shopsql 3", recordedVersions(t, db))
				assert.Equal(t, was, count(t, db, `SELECT count(*) FROM shop_items WHERE name = 'n' AND price = 7`), "rows are kept")
				for i, write := range shopWrites {
					execute(t, db, fmt.Sprintf(write, fmt.Sprint("after", i)))
				}
			})
		})
	}
}

func TestSchemaLetsAnOldProgramRunOnANewDatabase(t *testing.T) {
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		db := s.open(t, "")
		require.NoError(t, s.migrate(t.Context(), db, shopSteps[:3]))
		for old := range 3 {
			require.NoError(t, s.migrate(t.Context(), db, shopSteps[:old]))
			execute(t, db, fmt.Sprintf(shopWrites[old], fmt.Sprint("of version ", old+1)))
		}
		assert.Equal(t, "shopsql 1, shopsql 2, shopsql 3", recordedVersions(t, db))
	})
}

func TestSchemaRefusesAProgramThatCannotLiveWithAStep(t *testing.T) {
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		db := s.open(t, "")
		require.NoError(t, s.migrate(t.Context(), db, shopSteps))
		err := s.migrate(t.Context(), db, shopSteps[:1])
		require.ErrorIs(t, err, rampart.ErrOutdated)
		assert.ErrorContains(t, err, "shopsql: migrate: this program is too old for the database")
		for known := 2; known <= 4; known++ {
			require.NoError(t, s.migrate(t.Context(), db, shopSteps[:known]), "version %d", known)
		}
		require.NoError(t, schema.Migrate(t.Context(), db, s.dialect, "othersql", nil), "another room")
		assert.Equal(t, "shopsql 1, shopsql 2, shopsql 3, shopsql 4", recordedVersions(t, db))
	})
}

func TestSchemaStepThatFailsLeavesNothing(t *testing.T) {
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		db := s.open(t, "")
		require.NoError(t, s.migrate(t.Context(), db, shopSteps[:1]))
		execute(t, db, fmt.Sprintf(shopWrites[0], "kept"))
		broken := []schema.Step{shopSteps[0], shopSteps[1], {Do: []string{shopSteps[2].Do[0], `DROP TABLE shop_nothing`}}}
		require.ErrorContains(t, s.migrate(t.Context(), db, broken), "shopsql: migrate: version 3: ")
		assert.Equal(t, "shopsql 1", recordedVersions(t, db))
		_, err := db.ExecContext(t.Context(), `SELECT price FROM shop_items`)
		require.Error(t, err, "version 2 is gone as well")
		require.NoError(t, s.migrate(t.Context(), db, shopSteps), "the next start repeats it")
		assert.Equal(t, "shopsql 1, shopsql 2, shopsql 3, shopsql 4", recordedVersions(t, db))
		assert.Equal(t, 1, count(t, db, `SELECT count(*) FROM shop_items WHERE id = 'kept'`))
	})
}

// startSchema is one start of a program that knows some versions of the shop, and
// has every store.
func startSchema(t testing.TB, s schemaDB, known int) {
	t.Helper()
	db := s.open(t, "")
	assert.NoError(t, s.migrate(t.Context(), db, shopSteps[:known]))
	for _, store := range stores {
		assert.NoError(t, store.migrate(t.Context(), db, s.dialect))
	}
}

const allRecorded = "apikeysql 1, authsql 1, authsql 2, feedsql 1, feedsql 2, shopsql 1, shopsql 2, shopsql 3"

func TestSchemaManyStartsAtOnceRunEachStepOnce(t *testing.T) {
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { startSchema(t, s, 2+i%2) }) // half of them are of the release before
		}
		wg.Wait()
		assert.Equal(t, allRecorded, recordedVersions(t, s.open(t, "")))
	})
}

func TestSchemaManyProcessesStartAtOnce(t *testing.T) {
	if source := os.Getenv("RAMPART_SCHEMA_CHILD"); source != "" {
		s := schemaDB{rampart.SQLite, "sqlite", source}
		if strings.HasPrefix(source, "postgres") {
			s.dialect, s.driver = rampart.PostgreSQL, "pgx"
		}
		startSchema(t, s, 3)
		return
	}
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSchemaManyProcessesStartAtOnce$")
				child.Env = append(os.Environ(), "RAMPART_SCHEMA_CHILD="+s.source)
				out, err := child.CombinedOutput()
				assert.NoError(t, err, string(out))
			})
		}
		wg.Wait()
		assert.Equal(t, allRecorded, recordedVersions(t, s.open(t, "")))
	})
}

// hold keeps the lock of all migrations until the test ends.
func hold(t *testing.T, s schemaDB) {
	t.Helper()
	tx, err := s.open(t, "").BeginTx(t.Context(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	lock := `CREATE TABLE other (id TEXT)`
	if s.dialect == rampart.PostgreSQL {
		lock = `SELECT pg_advisory_xact_lock(8241989122503373825)`
	}
	_, err = tx.ExecContext(t.Context(), lock)
	require.NoError(t, err)
}

func TestSchemaStartIsOneReadWhereEverythingIsRecorded(t *testing.T) {
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		db, settings := s.open(t, ""), "&_pragma=query_only(1)"
		require.NoError(t, s.migrate(t.Context(), db, shopSteps[:2]))
		if s.dialect == rampart.PostgreSQL {
			settings = "&default_transaction_read_only=on"
			var name string
			require.NoError(t, db.QueryRowContext(t.Context(), `SELECT current_schema()`).Scan(&name))
			execute(t, db, `REVOKE CREATE ON SCHEMA `+name+` FROM CURRENT_USER`, `REVOKE INSERT ON rampart_schema FROM CURRENT_USER`)
		}
		reader := s.open(t, settings)
		require.ErrorContains(t, s.migrate(t.Context(), reader, shopSteps[:3]), "shopsql: migrate: ", "it may not write")
		hold(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.migrate(ctx, reader, shopSteps[:2]))
		require.NoError(t, s.migrate(ctx, reader, shopSteps[:1]))
	})
}

func TestSchemaWaitsNoLongerThanItsContext(t *testing.T) {
	eachSchemaDB(t, func(t *testing.T, s schemaDB) {
		db := s.open(t, "")
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, s.migrate(canceled, db, shopSteps), context.Canceled)
		require.NoError(t, s.migrate(t.Context(), db, shopSteps[:1]))
		hold(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorContains(t, s.migrate(ctx, db, shopSteps), "shopsql: migrate: ")
		assert.Less(t, time.Since(began), 5*time.Second)
		assert.Equal(t, "shopsql 1", recordedVersions(t, db))
	})
}

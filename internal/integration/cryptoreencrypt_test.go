package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

// Names that need quoting, all of them.
const (
	notesTable = `cus"tomers; DROP TABLE x--`
	notesID    = `ord?er`
	notesText  = `select`
	notesIndex = `no"te $1 idx`
)

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// notes is a table with a row-bound column and its blind index.
type notes struct {
	*sql.DB
	dialect rampart.Dialect
	dsn     string // for another process
}

// bind numbers placeholders, which stand as "?" in no name here.
func (n notes) bind(format string) string {
	query := strings.NewReplacer("TABLE_", quoted(notesTable), "ID_", quoted(notesID), "TEXT_", quoted(notesText), "INDEX_", quoted(notesIndex)).Replace(format)
	for i := 1; strings.Contains(query, "@"); i++ {
		arg := "?"
		if n.dialect == rampart.PostgreSQL {
			arg = fmt.Sprintf("$%d", i)
		}
		query = strings.Replace(query, "@", arg, 1)
	}
	return query
}

func (n notes) exec(t testing.TB, format string, args ...any) int64 {
	t.Helper()
	res, err := n.ExecContext(t.Context(), n.bind(format), args...)
	require.NoError(t, err)
	changed, err := res.RowsAffected()
	require.NoError(t, err)
	return changed
}

func forEachNotes(t *testing.T, idType string, run func(t *testing.T, n notes)) {
	t.Run("SQLite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "notes.db")
		n := notes{DB: openSQLiteFile(t, file), dialect: rampart.SQLite, dsn: file}
		n.exec(t, `CREATE TABLE TABLE_ (ID_ `+idType+` PRIMARY KEY, TEXT_ TEXT, INDEX_ TEXT)`)
		run(t, n)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		n := notes{DB: openPostgres(t), dialect: rampart.PostgreSQL}
		var schema string
		require.NoError(t, n.QueryRow(`SELECT current_schema()`).Scan(&schema))
		n.dsn = postgresIn(t, schema)
		n.exec(t, `CREATE TABLE TABLE_ (ID_ `+idType+` PRIMARY KEY, TEXT_ TEXT, INDEX_ TEXT)`)
		run(t, n)
	})
}

// postgresIn returns the URL of openPostgres for another process.
func postgresIn(t testing.TB, schema string) string {
	t.Helper()
	dsn := os.Getenv("RAMPART_POSTGRES")
	if dsn == "" {
		dsn = "postgres://rampart:rampart@127.0.0.1:5432/rampart_test?sslmode=disable"
	}
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func reencryptNotes(n notes, ring *fernet.Keyring) column.Reencrypt {
	return column.Reencrypt{
		DB: n.DB, Dialect: n.dialect, Table: notesTable, ID: notesID, Column: notesText, IndexColumn: notesIndex,
		Cipher: ring.Field("customers.note"), Index: column.NewIndex(ring, "customers.note", strings.ToLower), RowBound: true,
	}
}

func ringOf(t testing.TB, primary fernet.Key, old ...fernet.Key) *fernet.Keyring {
	t.Helper()
	ring, err := fernet.NewKeyring(primary, old...)
	require.NoError(t, err)
	return ring
}

func TestReencryptMovesEveryValueAndItsIndexToTheFirstKey(t *testing.T) {
	for _, idType := range []string{"BIGINT", "TEXT"} {
		t.Run(idType, func(t *testing.T) {
			forEachNotes(t, idType, func(t *testing.T, n notes) {
				a, b := fernet.GenerateKey(), fernet.GenerateKey()
				before := ringOf(t, a)
				field, index := before.Field("customers.note"), column.NewIndex(before, "customers.note", strings.ToLower)
				const rows = 25
				for i := range rows {
					id := fmt.Sprint(i)
					n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`, id, column.Seal(field.Row(id), "Text "+id), index.Of("Text "+id))
				}
				n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`, "100", nil, nil)                                    // NULL stays
				n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`, "101", nil, "left over")                            // and has no index
				n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`, "102", column.Seal(field.Row("102"), ""), nil)      // empty has one
				n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`, "103", column.Seal(field.Row("3"), "moved"), "x")   // of another row
				n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`, "104", column.Seal(before.Cipher(), "legacy"), nil) // from before

				after := ringOf(t, b, a)
				r := reencryptNotes(n, after)
				r.From, r.Batch, r.DryRun = after.Cipher(), 4, true
				dry, err := r.Run(t.Context(), nil)
				require.ErrorIs(t, err, fernet.ErrInvalid)
				assert.Equal(t, rows+3, dry.Changed)

				r.DryRun = false
				var last column.Progress
				done, err := r.Run(t.Context(), func(p column.Progress) { last = p })
				require.ErrorIs(t, err, fernet.ErrInvalid)
				assert.NotContains(t, err.Error(), "moved")
				assert.Equal(t, done, last)
				assert.Equal(t, rows+3, done.Changed)
				assert.Equal(t, 1, done.Invalid)
				assert.Equal(t, "[103]", fmt.Sprint(done.InvalidIDs))
				assert.Equal(t, rows+4, done.Rows)

				only := ringOf(t, b)
				field, index = only.Field("customers.note"), column.NewIndex(only, "customers.note", strings.ToLower)
				read := func(id string) (text, blind *string, err error) {
					err = n.QueryRow(n.bind(`SELECT TEXT_, INDEX_ FROM TABLE_ WHERE ID_ = @`), id).Scan(column.Scan(field.Row(id), &text), &blind)
					return text, blind, err
				}
				for i := range rows {
					text, blind, err := read(fmt.Sprint(i))
					require.NoError(t, err)
					assert.Equal(t, fmt.Sprint("Text ", i), *text)
					assert.Equal(t, index.Of(*text), *blind)
				}
				for id, want := range map[string]*string{"100": nil, "101": nil, "102": new(""), "104": new("legacy")} {
					text, blind, err := read(id)
					require.NoError(t, err, id)
					assert.Equal(t, want, text, id)
					assert.Equal(t, want != nil, blind != nil, id)
				}
				_, _, err = read("103")
				assert.ErrorIs(t, err, fernet.ErrInvalid)

				n.exec(t, `DELETE FROM TABLE_ WHERE ID_ = @`, "103")
				again, err := r.Run(t.Context(), nil)
				require.NoError(t, err)
				assert.Zero(t, again.Changed, "a second run finds nothing to do")
				r.After = again.Last
				rest, err := r.Run(t.Context(), nil)
				require.NoError(t, err)
				assert.Zero(t, rest.Rows)
			})
		})
	}
}

func TestReencryptWithoutAnIndexAndWithPlainFernet(t *testing.T) {
	forEachNotes(t, "BIGINT", func(t *testing.T, n notes) {
		a, b := fernet.GenerateKey(), fernet.GenerateKey()
		token := ringOf(t, a).Cipher().EncryptString("shared with Python")
		n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (1, @)`, token)
		made, err := ringOf(t, a).Cipher().Timestamp([]byte(token))
		require.NoError(t, err)
		r := column.Reencrypt{DB: n.DB, Dialect: n.dialect, Table: notesTable, ID: notesID, Column: notesText, Cipher: ringOf(t, b, a).Cipher()}
		p, err := r.Run(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, 1, p.Changed)
		require.NoError(t, n.QueryRow(n.bind(`SELECT TEXT_ FROM TABLE_`)).Scan(&token))
		at, err := ringOf(t, b).Cipher().Timestamp([]byte(token))
		require.NoError(t, err)
		assert.Equal(t, made, at, "a token keeps its time")
	})
}

func TestReencryptSaysWhatIsWrongWithNamesAndStopsWithItsContext(t *testing.T) {
	forEachNotes(t, "BIGINT", func(t *testing.T, n notes) {
		ring := ringOf(t, fernet.GenerateKey())
		n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (1, @)`, column.Seal(ring.Field("customers.note").Row("1"), "x"))
		for name, change := range map[string]func(r *column.Reencrypt){
			"table": func(r *column.Reencrypt) { r.Table = "nosuch" }, "id": func(r *column.Reencrypt) { r.ID = "nosuch" },
			"column": func(r *column.Reencrypt) { r.Column = "nosuch" }, "index": func(r *column.Reencrypt) { r.IndexColumn = "nosuch" },
			"NUL": func(r *column.Reencrypt) { r.Table += "\x00" },
		} {
			r := reencryptNotes(n, ring)
			change(&r)
			_, err := r.Run(t.Context(), nil)
			require.Error(t, err, name)
			require.NotErrorIs(t, err, fernet.ErrInvalid, "%s: a name in quotes is no text", name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := reencryptNotes(n, ring).Run(ctx, nil)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// TestReencryptRefusesValuesOfRowsWithoutAnID: a primary key of SQLite may be
// NULL, and a unique column of PostgreSQL. No comparison finds such a row.
func TestReencryptRefusesValuesOfRowsWithoutAnID(t *testing.T) {
	forEachNotes(t, "BIGINT", func(t *testing.T, n notes) {
		n.exec(t, `DROP TABLE TABLE_`)
		n.exec(t, `CREATE TABLE TABLE_ (ID_ TEXT UNIQUE, TEXT_ TEXT, INDEX_ TEXT)`)
		old, b := fernet.GenerateKey(), fernet.GenerateKey()
		cipher := ringOf(t, old).Cipher()
		n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (NULL, NULL)`) // nothing to lose
		n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES ('k', @)`, column.Seal(cipher, "x"))
		r := column.Reencrypt{DB: n.DB, Dialect: n.dialect, Table: notesTable, ID: notesID, Column: notesText, Cipher: ringOf(t, b, old).Cipher(), Batch: 2}
		p, err := r.Run(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, 1, p.Changed)

		for range 3 {
			n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (NULL, @)`, column.Seal(cipher, "x"))
		}
		n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES ('l', @)`, column.Seal(cipher, "x"))
		for _, r.Batch = range []int{0, 2} {
			for _, r.After = range []any{nil, "k"} {
				p, err := r.Run(t.Context(), func(p column.Progress) { require.Less(t, p.Rows, 100, "it goes on for ever") })
				require.ErrorContains(t, err, "NULL")
				assert.Zero(t, p.Changed, "it refuses before it begins")
			}
		}
	})
}

// TestReencryptRefusesRowsThatShareAnID: a page may end between them, and the next
// one begins behind them all.
func TestReencryptRefusesRowsThatShareAnID(t *testing.T) {
	forEachNotes(t, "BIGINT", func(t *testing.T, n notes) {
		n.exec(t, `DROP TABLE TABLE_`)
		n.exec(t, `CREATE TABLE TABLE_ (ID_ BIGINT, TEXT_ TEXT, INDEX_ TEXT)`)
		old, b := fernet.GenerateKey(), fernet.GenerateKey()
		cipher := ringOf(t, old).Cipher()
		for i := range 8 {
			n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (@, @)`, i, column.Seal(cipher, "x"))
			n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (@, NULL)`, i) // nothing to lose
		}
		r := column.Reencrypt{DB: n.DB, Dialect: n.dialect, Table: notesTable, ID: notesID, Column: notesText, Cipher: ringOf(t, b, old).Cipher(), Batch: 3}
		n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (2, @)`, column.Seal(cipher, "y"))
		p, err := r.Run(t.Context(), nil)
		require.ErrorContains(t, err, "that of another row")
		assert.Zero(t, p.Changed, "it refuses before it begins")

		n.exec(t, `UPDATE TABLE_ SET ID_ = 100 WHERE ID_ = 2 AND TEXT_ IS NULL`)
		n.exec(t, `DELETE FROM TABLE_ WHERE ID_ = 2`)
		p, err = r.Run(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, 7, p.Changed)
	})
}

// TestReencryptWaitsForNoRowThatAnotherHolds has a writer hold a row that is in
// the middle of a batch, and write another one of it after: a run that waited
// with locks of its own would deadlock with it.
func TestReencryptWaitsForNoRowThatAnotherHolds(t *testing.T) {
	t.Parallel() // most of it is waiting
	n := notes{DB: openPostgres(t), dialect: rampart.PostgreSQL}
	n.exec(t, `CREATE TABLE TABLE_ (ID_ BIGINT PRIMARY KEY, TEXT_ TEXT, INDEX_ TEXT)`)
	a, b := fernet.GenerateKey(), fernet.GenerateKey()
	field := ringOf(t, a).Field("customers.note")
	for i := range 10 {
		id := fmt.Sprint(i)
		n.exec(t, `INSERT INTO TABLE_ (ID_, TEXT_) VALUES (@, @)`, id, column.Seal(field.Row(id), "text"))
	}
	tx, err := n.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	write := func(id string) {
		_, err := tx.ExecContext(t.Context(), n.bind(`UPDATE TABLE_ SET TEXT_ = @ WHERE ID_ = @`), column.Seal(field.Row(id), "writer's"), id)
		require.NoError(t, err)
	}
	write("5")
	done := make(chan error, 1)
	go func() {
		p, err := reencryptNotes(n, ringOf(t, b, a)).Run(t.Context(), nil)
		if err == nil && p.Changed != 10 {
			err = fmt.Errorf("changed %d", p.Changed)
		}
		done <- err
	}()
	require.Eventually(t, func() bool { // it has written the other rows and waits for this one
		var left int
		require.NoError(t, n.QueryRow(n.bind(`SELECT count(*) FROM TABLE_ WHERE INDEX_ IS NULL`)).Scan(&left))
		return left == 1
	}, 60e9, 10e6)
	write("0")
	require.NoError(t, tx.Commit())
	require.NoError(t, <-done)
	var text string
	require.NoError(t, n.QueryRow(n.bind(`SELECT TEXT_ FROM TABLE_ WHERE ID_ = 5`)).Scan(column.Scan(ringOf(t, b).Field("customers.note").Row("5"), &text)))
	assert.Equal(t, "writer's", text)
}

package integration_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

func TestReencryptTakesTheColumnTypesThatPeopleHave(t *testing.T) {
	const id = "b4e1c7f0-2f60-4d1c-9a35-0c9f5f0e7a11"
	for name, tt := range map[string]struct {
		open    func(testing.TB) *sql.DB
		dialect rampart.Dialect
		create  string
		insert  string
		row     string // what the values are bound to; "": not bound
		bytes   bool   // values are bytes
		want    string // error
	}{
		"UUIDs":               {openPostgres, rampart.PostgreSQL, `CREATE TABLE t (id UUID PRIMARY KEY, v TEXT, i TEXT)`, `INSERT INTO t VALUES ('` + id + `', $1, NULL)`, id, false, ""},
		"bytes in PostgreSQL": {openPostgres, rampart.PostgreSQL, `CREATE TABLE t (id BYTEA PRIMARY KEY, v BYTEA, i BYTEA)`, `INSERT INTO t VALUES ('abc', $1, 'old')`, "abc", true, ""},
		"bytes in SQLite":     {openSQLite, rampart.SQLite, `CREATE TABLE t (id BLOB PRIMARY KEY, v BLOB, i BLOB)`, `INSERT INTO t VALUES (x'616263', ?, x'00')`, "abc", true, ""},
		"times, not bound to": {openPostgres, rampart.PostgreSQL, `CREATE TABLE t (id TIMESTAMPTZ PRIMARY KEY, v TEXT, i TEXT)`, `INSERT INTO t VALUES ('2026-11-24T12:00:00Z', $1, NULL)`, "", false, ""},
		"times, bound to":     {openPostgres, rampart.PostgreSQL, `CREATE TABLE t (id TIMESTAMPTZ PRIMARY KEY, v TEXT, i TEXT)`, `INSERT INTO t VALUES ('2026-11-24T12:00:00Z', $1, NULL)`, "2026-11-24T12:00:00Z", false, `column: "t"."id" is a time.Time; to be bound to, it must be an integer or text`},
	} {
		t.Run(name, func(t *testing.T) {
			db := tt.open(t)
			_, err := db.ExecContext(t.Context(), tt.create)
			require.NoError(t, err)
			a, b := fernet.GenerateKey(), fernet.GenerateKey()
			before, after := ringOf(t, a).Field("t.v"), ringOf(t, b, a)
			token := before.EncryptString("text")
			if tt.row != "" {
				token = before.Row(tt.row).EncryptString("text")
			}
			var arg any = token
			if tt.bytes {
				arg = []byte(token)
			}
			_, err = db.ExecContext(t.Context(), tt.insert, arg)
			require.NoError(t, err)
			r := column.Reencrypt{
				DB: db, Dialect: tt.dialect, Table: "t", ID: "id", Column: "v", IndexColumn: "i",
				Cipher: after.Field("t.v"), Index: column.NewIndex(after, "t.v", nil), RowBound: tt.row != "",
			}
			p, err := r.Run(t.Context(), nil)
			if tt.want != "" {
				require.EqualError(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, 1, p.Changed)
			assert.Zero(t, p.Retried)
			var text, index string
			now := ringOf(t, b).Field("t.v")
			dst := column.Scan(now, &text)
			if tt.row != "" {
				dst = column.Scan(now.Row(tt.row), &text)
			}
			require.NoError(t, db.QueryRowContext(t.Context(), `SELECT v, i FROM t`).Scan(dst, &index))
			assert.Equal(t, "text", text)
			assert.Equal(t, column.NewIndex(ringOf(t, b), "t.v", nil).Of("text"), index)
			p, err = r.Run(t.Context(), nil)
			require.NoError(t, err)
			assert.Zero(t, p.Changed)
		})
	}
}

// TestReencryptGivesUpOnARowThatNeverRests has a trigger in the writer's place:
// whatever is written to the row, it is the old token that stands there.
func TestReencryptGivesUpOnARowThatNeverRests(t *testing.T) {
	db := openSQLite(t)
	a, b := fernet.GenerateKey(), fernet.GenerateKey()
	_, err := db.ExecContext(t.Context(), `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
		CREATE TRIGGER busy BEFORE UPDATE ON t BEGIN SELECT RAISE(IGNORE); END`)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO t VALUES (1, ?)`, ringOf(t, a).Cipher().EncryptString("text"))
	require.NoError(t, err)
	p, err := column.Reencrypt{DB: db, Dialect: rampart.SQLite, Table: "t", ID: "id", Column: "v", Cipher: ringOf(t, b, a).Cipher()}.Run(t.Context(), nil)
	require.EqualError(t, err, `column: row "1" of "t" is written to all the time`)
	assert.Zero(t, p.Changed)
}

package schema_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/internal/schema"
)

// What real databases do is tested where the drivers are: internal/integration.

// stub is a database that has recorded a version. Statements that begin with
// fail return an error.
type stub struct {
	version, needs int64
	fail           string
	log            []string
}

var errBroken = errors.New("broken")

func (s *stub) do(statement string) error {
	s.log = append(s.log, strings.Fields(statement)[0])
	if s.fail != "" && strings.HasPrefix(statement, s.fail) {
		return errBroken
	}
	return nil
}

func (s *stub) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *stub) Driver() driver.Driver                        { return nil }
func (s *stub) Close() error                                 { return nil }
func (s *stub) Begin() (driver.Tx, error)                    { panic("BeginTx is asked") }
func (s *stub) Prepare(string) (driver.Stmt, error)          { panic("nothing is prepared") }
func (s *stub) Commit() error                                { return s.do("COMMIT") }
func (s *stub) Rollback() error                              { return s.do("ROLLBACK") }

func (s *stub) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return s, s.do("BEGIN" + map[sql.IsolationLevel]string{sql.LevelReadCommitted: "_READ_COMMITTED"}[sql.IsolationLevel(opts.Isolation)])
}

func (s *stub) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, s.do(statement)
}

func (s *stub) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	return &row{stub: s}, s.do(query)
}

type row struct {
	*stub
	read bool
}

func (r *row) Columns() []string { return []string{"version", "needs"} }

func (r *row) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, dest[0], dest[1] = true, r.version, r.needs
	return nil
}

func steps() []schema.Step {
	return []schema.Step{{Do: []string{"ONE"}}, {Do: []string{"TWO", "THREE"}}}
}

func TestMigrateRunsWhatIsNotRecorded(t *testing.T) {
	for _, tt := range []struct {
		desc    string
		db      stub
		dialect rampart.Dialect
		want    string // the first word of each statement
		err     error
	}{
		{
			"everything is recorded: one read, no transaction",
			stub{version: 2},
			rampart.PostgreSQL,
			"SELECT", nil,
		},
		{
			"a newer release was here: one read, no transaction",
			stub{version: 3, needs: 2},
			rampart.SQLite,
			"SELECT", nil,
		},
		{
			"a newer release was here and this one cannot go on",
			stub{version: 3, needs: 3},
			rampart.SQLite,
			"SELECT", rampart.ErrOutdated,
		},
		{
			"nothing is recorded, SQLite: a write comes first",
			stub{},
			rampart.SQLite,
			"SELECT BEGIN CREATE DROP CREATE SELECT ONE INSERT TWO THREE INSERT COMMIT", nil,
		},
		{
			"one step is left, PostgreSQL: the lock comes first",
			stub{version: 1},
			rampart.PostgreSQL,
			"SELECT BEGIN_READ_COMMITTED SELECT CREATE SELECT TWO THREE INSERT COMMIT", nil,
		},
		{
			"it cannot read: the transaction shows why",
			stub{fail: "SELECT COALESCE"},
			rampart.SQLite,
			"SELECT BEGIN CREATE DROP CREATE SELECT ROLLBACK", errBroken,
		},
		{"it cannot begin", stub{fail: "BEGIN"}, rampart.SQLite, "SELECT BEGIN", errBroken},
		{"it does not get the lock", stub{fail: "SELECT pg_adv"}, rampart.PostgreSQL, "SELECT BEGIN_READ_COMMITTED SELECT ROLLBACK", errBroken},
		{"it cannot make the record", stub{fail: "CREATE TABLE IF NOT EXISTS"}, rampart.SQLite, "SELECT BEGIN CREATE DROP CREATE ROLLBACK", errBroken},
		{
			"a step fails half-way",
			stub{fail: "THREE"},
			rampart.SQLite,
			"SELECT BEGIN CREATE DROP CREATE SELECT ONE INSERT TWO THREE ROLLBACK", errBroken,
		},
		{
			"it cannot record a step",
			stub{version: 1, fail: "INSERT"},
			rampart.SQLite,
			"SELECT BEGIN CREATE DROP CREATE SELECT TWO THREE INSERT ROLLBACK", errBroken,
		},
		{
			"it cannot commit",
			stub{version: 1, fail: "COMMIT"},
			rampart.SQLite,
			"SELECT BEGIN CREATE DROP CREATE SELECT TWO THREE INSERT COMMIT", errBroken,
		},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			db := sql.OpenDB(&tt.db)
			defer db.Close()
			err := schema.Migrate(t.Context(), db, tt.dialect, "shopsql", steps())
			assert.Equal(t, tt.want, strings.Join(tt.db.log, " "))
			require.ErrorIs(t, err, tt.err)
			if tt.err != nil {
				assert.ErrorContains(t, err, "shopsql: migrate: ")
			}
		})
	}
}

func TestTheErrorsSayWhichVersion(t *testing.T) {
	for want, db := range map[string]*stub{
		"shopsql: migrate: this program is too old for the database: start the newer release that migrated it " +
			"(the tables have version 4 and need a program of version 3; this one has 2)": {version: 4, needs: 3},
		"shopsql: migrate: version 2: broken":           {fail: "TWO"},
		"shopsql: migrate: recording version 1: broken": {fail: "INSERT"},
	} {
		assert.EqualError(t, schema.Migrate(t.Context(), sql.OpenDB(db), rampart.SQLite, "shopsql", steps()), want)
	}
}

func TestMigrateReportsEveryMistake(t *testing.T) {
	err := schema.Migrate(t.Context(), nil, 0, "shopsql", nil)
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"", conferrtest.Text(err))
	assert.ErrorContains(t, err, "shopsql.Migrate.db: missing")
}

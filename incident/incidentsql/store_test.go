package incidentsql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentsql"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// The store itself is tested where the drivers are: internal/integration.

func TestNewReportsEveryMistake(t *testing.T) {
	s, err := incidentsql.New(nil, 9, incidentsql.Config{Keep: time.Hour})
	assert.Nil(t, s)
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"\nKeep: invalid: \"1h0m0s\"", conferrtest.Text(err))
	for keep, good := range map[time.Duration]bool{0: true, 24 * time.Hour: true, 24*time.Hour - 1: false, -1: false} {
		_, err := incidentsql.New(new(sql.DB), rampart.SQLite, incidentsql.Config{Keep: keep})
		assert.Equal(t, good, err == nil, "%v: %v", keep, err)
	}
}

func TestMigrateReportsEveryMistake(t *testing.T) {
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"", conferrtest.Text(incidentsql.Migrate(t.Context(), nil, 0)))
}

// calls calls every method.
func calls(ctx context.Context, s *incidentsql.Store, o incident.Order) map[string]error {
	_, _, begin := s.Begin(ctx, o)
	_, get := s.Get(ctx, o.ID)
	_, list := s.List(ctx, "", 1)
	return map[string]error{"begin": begin, "get": get, "list": list, "finish": s.Finish(ctx, o)}
}

func TestAZeroStoreFailsClosed(t *testing.T) {
	for step, err := range calls(t.Context(), new(incidentsql.Store), incident.Order{ID: "a"}) {
		assert.EqualError(t, err, "incidentsql: "+step+": store not made by New")
	}
}

// stub is a database that answers as told, to reach what a real one does only
// when it breaks down or another process interferes: steps that begin with fail
// return an error.
type stub struct {
	fail     string
	inserted []int64 // how many rows each INSERT adds; afterwards one
	rows     int     // what a SELECT finds
	log      []string
}

var errBroken = errors.New("broken")

func (s *stub) do(step string) error {
	s.log = append(s.log, step)
	if s.fail != "" && strings.HasPrefix(step, s.fail) {
		return errBroken
	}
	return nil
}

func (s *stub) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *stub) Driver() driver.Driver                        { return nil }
func (s *stub) Close() error                                 { return nil }
func (s *stub) Begin() (driver.Tx, error)                    { return s, s.do("BEGIN") }
func (s *stub) Commit() error                                { return s.do("COMMIT") }
func (s *stub) Rollback() error                              { return s.do("ROLLBACK") }
func (s *stub) Prepare(query string) (driver.Stmt, error)    { return stmt{s, query}, nil }
func (s *stub) LastInsertId() (int64, error)                 { return 0, nil }
func (s *stub) RowsAffected() (int64, error) {
	n := int64(1)
	if len(s.inserted) > 0 && strings.Contains(s.log[len(s.log)-1], "INSERT") {
		n, s.inserted = s.inserted[0], s.inserted[1:]
	}
	return n, s.do("AFFECTED")
}

type stmt struct {
	*stub
	query string
}

func (s stmt) NumInput() int { return -1 }

func (s stmt) Exec([]driver.Value) (driver.Result, error) { return s.stub, s.do("EXEC " + s.query) }

func (s stmt) Query([]driver.Value) (driver.Rows, error) {
	return &rows{s.stub, 0}, s.do("QUERY " + s.query)
}

type rows struct {
	*stub
	n int
}

func (r *rows) Columns() []string { return []string{"body"} }

func (r *rows) Next(dest []driver.Value) error {
	if r.n++; r.n > r.rows {
		if err := r.do("NEXT"); err != nil {
			return err
		}
		return io.EOF
	}
	dest[0] = `{"id": "other"}`
	if r.fail == "SCAN" {
		dest[0] = "{"
	}
	return nil
}

func stubbed(t *testing.T, db *stub) *incidentsql.Store {
	t.Helper()
	pool := sql.OpenDB(db)
	t.Cleanup(func() { _ = pool.Close() })
	s, err := incidentsql.New(pool, rampart.SQLite, incidentsql.Config{})
	require.NoError(t, err)
	return s
}

func TestEachStepThatFailsFailsTheCall(t *testing.T) {
	for _, tt := range []struct {
		call, fail string
		inserted   []int64
		rows       int
	}{
		{"begin", "BEGIN", nil, 0},
		{"begin", "EXEC UPDATE", nil, 0},
		{"begin", "EXEC INSERT", nil, 0},
		{"begin", "AFFECTED", nil, 0},
		{"begin", "QUERY", []int64{0}, 0},
		{"begin", "SCAN", []int64{0}, 1},
		{"begin", "COMMIT", nil, 0},
		{"finish", "BEGIN", nil, 0},
		{"finish", "EXEC UPDATE", nil, 0},
		{"finish", "AFFECTED", nil, 0},
		{"finish", "COMMIT", nil, 0},
		{"get", "QUERY", nil, 1},
		{"get", "SCAN", nil, 1},
		{"list", "QUERY", nil, 1},
		{"list", "SCAN", nil, 1},
		{"list", "NEXT", nil, 1},
	} {
		t.Run(tt.call+" at "+tt.fail, func(t *testing.T) {
			db := &stub{fail: tt.fail, inserted: tt.inserted, rows: tt.rows}
			s := stubbed(t, db)
			o := incident.Order{ID: "a", Once: "o", State: incident.Open}
			var err error
			switch tt.call {
			case "begin":
				var added bool
				_, added, err = s.Begin(t.Context(), o)
				assert.False(t, added)
			case "finish":
				err = s.Finish(t.Context(), o)
			case "get":
				_, err = s.Get(t.Context(), "a")
			case "list":
				_, err = s.List(t.Context(), "", 5)
			}
			require.ErrorContains(t, err, "incidentsql: "+tt.call+": ")
			assert.Equal(t, tt.fail != "SCAN", errors.Is(err, errBroken))
			assert.NotErrorIs(t, err, incident.ErrNoOrder)
			steps := fmt.Sprint(db.log)
			if strings.Contains(steps, "BEGIN") && tt.fail != "BEGIN" && tt.fail != "COMMIT" {
				assert.Contains(t, steps, "ROLLBACK")
				assert.NotContains(t, steps, "COMMIT")
			}
			assert.NotContains(t, steps, "DELETE", "only a new order makes room")
		})
	}
}

func TestAnOrderIsAddedThoughMakingRoomFails(t *testing.T) {
	db := &stub{fail: "EXEC DELETE"}
	_, added, err := stubbed(t, db).Begin(t.Context(), incident.Order{ID: "a"})
	assert.NoError(t, err)
	assert.True(t, added)
	assert.Contains(t, fmt.Sprint(db.log), "DELETE")
}

func TestAnOnceThatIsFreedMeanwhileIsTaken(t *testing.T) {
	_, added, err := stubbed(t, &stub{inserted: []int64{0, 0, 1}}).Begin(t.Context(), incident.Order{ID: "a", Once: "o"})
	assert.NoError(t, err)
	assert.True(t, added)
	_, added, err = stubbed(t, &stub{inserted: []int64{0, 0, 0, 1}}).Begin(t.Context(), incident.Order{ID: "a", Once: "o"})
	assert.EqualError(t, err, "incidentsql: begin: there is an order with this ID")
	assert.False(t, added)
}

func TestAnAnswerThatIsNoJSONIsAnError(t *testing.T) {
	o := incident.Order{ID: "a", Answer: json.RawMessage("{")}
	for step, err := range calls(t.Context(), stubbed(t, &stub{rows: 1}), o) {
		assert.Equal(t, step == "begin" || step == "finish", err != nil, "%s: %v", step, err)
	}
}

package apikeysql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
)

// stub is a database that answers as told, to reach what a real one does only
// when it breaks down: steps that begin with fail return an error.
type stub struct {
	fail     string
	affected int64
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
func (s *stub) Prepare(query string) (driver.Stmt, error) {
	return stmt{s, query}, s.do("PREPARE " + query)
}
func (s *stub) LastInsertId() (int64, error) { return 0, nil }
func (s *stub) RowsAffected() (int64, error) { return s.affected, s.do("AFFECTED") }

// stmt is one of its statements; rows are its answer, of which one is good.
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

func (r *rows) Columns() []string { return []string{"id"} }

func (r *rows) Next(dest []driver.Value) error {
	if r.n++; r.n > 2 {
		return io.EOF
	}
	if r.n == 2 {
		return r.do("NEXT")
	}
	if dest[0] = "id"; r.fail == "SCAN" {
		dest[0] = nil
	}
	return nil
}

func stubbed(t *testing.T, db *stub) *apikeysql.Store {
	t.Helper()
	pool := sql.OpenDB(db)
	t.Cleanup(func() { _ = pool.Close() })
	s, err := apikeysql.New(pool, rampart.SQLite, apikeysql.Config{})
	require.NoError(t, err)
	return s
}

func TestEachStepThatFailsFailsTheCall(t *testing.T) {
	ctx := context.Background()
	touch := func(s *apikeysql.Store) error { return s.Touch(ctx, map[string]time.Time{"id": time.Now()}) }
	rotate := func(s *apikeysql.Store) error {
		return s.Rotate(ctx, "id", time.Now(), apikey.Key{}, nil)
	}
	revoke := func(s *apikeysql.Store) error { return s.Revoke(ctx, "id", time.Now()) }
	revokeOwner := func(s *apikeysql.Store) error {
		_, err := s.RevokeOwner(ctx, "alice", time.Now())
		return err
	}
	list := func(s *apikeysql.Store) error {
		_, err := s.List(ctx, apikey.Filter{Limit: 1})
		return err
	}
	for _, tt := range []struct {
		desc     string
		do       func(*apikeysql.Store) error
		fail     string
		affected int64
	}{
		{"touch", touch, "BEGIN", 1},
		{"touch", touch, "PREPARE", 1},
		{"touch", touch, "EXEC", 1},
		{"touch", touch, "COMMIT", 1},
		{"rotate", rotate, "BEGIN", 1},
		{"rotate", rotate, "EXEC UPDATE", 1},
		{"rotate", rotate, "AFFECTED", 1},
		{"rotate", rotate, "QUERY SELECT 1", 0},
		{"rotate", rotate, "EXEC INSERT", 1},
		{"rotate", rotate, "COMMIT", 1},
		{"revoke", revoke, "EXEC", 1},
		{"revoke owner", revokeOwner, "QUERY", 1},
		{"revoke owner", revokeOwner, "SCAN", 1},
		{"revoke owner", revokeOwner, "NEXT", 1},
		{"list", list, "QUERY", 1},
		{"list", list, "PREPARE", 1},
	} {
		t.Run(tt.desc+" at "+tt.fail, func(t *testing.T) {
			db := &stub{fail: tt.fail, affected: tt.affected}
			err := tt.do(stubbed(t, db))
			require.Error(t, err)
			assert.ErrorContains(t, err, "apikeysql: "+tt.desc)
			if tt.fail != "SCAN" {
				require.ErrorIs(t, err, errBroken)
			}
			assert.False(t, errors.Is(err, apikey.ErrNotFound) || errors.Is(err, apikey.ErrConflict))
			steps := fmt.Sprint(db.log)
			if strings.Contains(steps, "BEGIN") && tt.fail != "BEGIN" && tt.fail != "COMMIT" {
				assert.Contains(t, steps, "ROLLBACK")
				assert.NotContains(t, steps, "COMMIT")
			}
		})
	}
}

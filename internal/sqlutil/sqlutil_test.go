package sqlutil_test

import (
	"database/sql"
	"testing"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

func TestRebindNumbersThePlaceholdersForPostgreSQLOnly(t *testing.T) {
	const query = `SELECT a FROM t WHERE b = ? AND c IN (?, ?)`
	if got := sqlutil.Rebind(rampart.SQLite, query); got != query {
		t.Errorf("got %q", got)
	}
	if got, want := sqlutil.Rebind(rampart.PostgreSQL, query), `SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)`; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if got := sqlutil.Rebind(rampart.PostgreSQL, "SELECT 1"); got != "SELECT 1" {
		t.Errorf("got %q", got)
	}
}

func TestCheckReportsBothMistakes(t *testing.T) {
	if got, want := conferrtest.Text(sqlutil.Check("x.New", nil, 3)), "db: missing\nd: invalid: \"unknown\""; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	for _, d := range []rampart.Dialect{rampart.SQLite, rampart.PostgreSQL} {
		if err := sqlutil.Check("x.New", new(sql.DB), d); err != nil {
			t.Error(err)
		}
	}
}

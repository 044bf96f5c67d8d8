package sqlutil_test

import (
	"testing"

	"github.com/ecolaura/rampart"
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

// Package sqlutil holds what the SQL stores share.
package sqlutil

import (
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// Rebind writes the placeholders of query, each a "?", as d wants them. The
// query must hold no other question mark.
func Rebind(d rampart.Dialect, query string) string {
	if d != rampart.PostgreSQL {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// Check returns the mistakes in what a function of a SQL store was given: its
// parameters db and d.
func Check(function string, db *sql.DB, d rampart.Dialect) error {
	bad := conferr.For(function)
	bad.If(db == nil, "db", rampart.ReasonMissing, nil, conferr.WantDB)
	bad.If(d != rampart.SQLite && d != rampart.PostgreSQL, "d", rampart.ReasonInvalid, d, conferr.WantDialect)
	return bad.Err()
}

// WantTimeout is what is right for a Timeout.
const WantTimeout = "use up to 1m; 0 means 2s, and 10s with SQLite"

const maxTimeout = time.Minute

// Timeout returns how long a call of a store may take, for a Timeout that was
// configured; and reports whether that one can be. A server may hang. SQLite does not,
// but its writers wait for each other.
func Timeout(d rampart.Dialect, configured time.Duration) (timeout time.Duration, ok bool) {
	switch {
	case configured != 0:
		return configured, configured > 0 && configured <= maxTimeout
	case d == rampart.SQLite:
		return 10 * time.Second, true
	}
	return 2 * time.Second, true
}

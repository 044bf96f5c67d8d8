// Package sqlutil holds what the SQL stores share.
package sqlutil

import (
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
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

package column

import (
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
)

// statements are the SQL statements of a [Reencrypt].
type statements struct {
	lost               string // is there a value that no ID leads to?
	shared             string // do several values have one ID?
	first, next, one   string
	update, clearIndex string
	lock               func(n int) string
}

// statements writes them. Columns are qualified by the table's alias where they
// are read: SQLite takes a quoted name that is no column for a string otherwise.
func (r Reencrypt) statements() statements {
	arg := func(n int) string {
		if r.Dialect == rampart.PostgreSQL {
			return "$" + strconv.Itoa(n)
		}
		return "?"
	}
	table := quoteTable(r.Table) + " AS t"
	id, column := "t."+quote(r.ID), "t."+quote(r.Column)
	columns, filled := id+", "+column, column+" IS NOT NULL"
	set := quote(r.Column) + " = " + arg(1)
	args := 1
	s := statements{}
	if r.IndexColumn != "" {
		index := "t." + quote(r.IndexColumn)
		columns += ", " + index
		filled = "(" + filled + " OR " + index + " IS NOT NULL)"
		set += ", " + quote(r.IndexColumn) + " = " + arg(2)
		args = 2
		s.clearIndex = "UPDATE " + table + " SET " + quote(r.IndexColumn) + " = NULL WHERE " + id + " = " + arg(1) + " AND " + column + " IS NULL"
	}
	get := "SELECT " + columns + " FROM " + table + " WHERE " + filled
	page := " ORDER BY " + id + " LIMIT " + strconv.Itoa(r.batchSize())
	s.lost = "SELECT EXISTS (SELECT 1 FROM " + table + " WHERE " + filled + " AND " + id + " IS NULL)"
	s.shared = "SELECT EXISTS (SELECT 1 FROM " + table + " WHERE " + filled + " GROUP BY " + id + " HAVING count(*) > 1)"
	s.first = get + " AND " + id + " IS NOT NULL" + page
	s.next = get + " AND " + id + " > " + arg(1) + page
	s.one = get + " AND " + id + " = " + arg(1)
	s.update = "UPDATE " + table + " SET " + set + " WHERE " + id + " = " + arg(args+1) + " AND " + column + " = " + arg(args+2)
	s.lock = func(n int) string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = arg(i + 1)
		}
		return "SELECT " + id + " FROM " + table + " WHERE " + id + " IN (" + strings.Join(ids, ", ") + ") FOR UPDATE SKIP LOCKED"
	}
	return s
}

// quote writes a name as SQL's delimited identifier, in which no character but
// the quote has a meaning. A NUL, which databases take for the end of the
// statement, is left to them to refuse.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteTable(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = quote(p)
	}
	return strings.Join(parts, ".")
}

package rampart

import "errors"

// ErrOutdated is why Migrate of a SQL store refuses to start an old program: a
// newer release has changed the tables in a way that this one cannot work with.
// Start that release, or restore the database as it was before it.
var ErrOutdated = errors.New("this program is too old for the database: start the newer release that migrated it")

// A Dialect is the kind of SQL that a database speaks. The packages that keep
// state in SQL take one beside their *sql.DB; they link no driver.
type Dialect uint8

// The dialects. There is no default: a wrong guess fails late.
const (
	SQLite     Dialect = iota + 1 // SQLite 3.35 or later (RETURNING, upserts)
	PostgreSQL                    // PostgreSQL 13 or later
)

// String returns the dialect's name.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	default:
		return "unknown"
	}
}

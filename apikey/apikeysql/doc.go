// Package apikeysql keeps API keys in a SQL database: SQLite or PostgreSQL. It
// links no driver; the program that opens the database does.
//
// A dump of the table hands out nothing: it holds a hash of each key, never a
// key. Checking a key costs one read by primary key. Every method of the
// [Store] is one atomic step, also among several processes on one database.
//
// It stands behind [apikey.Keys] and decides nothing itself. Call [Migrate] before
// [New], at every start.
package apikeysql

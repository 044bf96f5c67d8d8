// Package feedsql keeps the changes of a feed.Feed, and its instances, in tables of
// SQLite or PostgreSQL. It links no driver. Call [Migrate] before [New], at every start.
package feedsql

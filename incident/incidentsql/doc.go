// Package incidentsql keeps the audit trail of package incident, and the keys that a
// service made itself, in tables of SQLite or PostgreSQL. It links no driver; the program that opens the database
// does.
//
// Every method of the [Store] is one atomic step, also among several processes on
// one database. Orders are kept for Config.Keep. Call [Migrate] before [New], at
// every start.
package incidentsql

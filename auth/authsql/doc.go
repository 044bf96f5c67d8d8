// Package authsql keeps the sessions of package session in SQL: SQLite or
// PostgreSQL, through database/sql and whatever driver the application links.
//
// It lets any number of processes share log-ins: a refresh token that is used
// in two of them at once is honoured once, and a log-out or password change in
// one takes effect in all. It stands behind a session.Service and, where access
// tokens must die with their session, behind session.RevokedIn.
//
// Call [Migrate] before [New], at every start. The tables hold no token text: who
// reads them can log in as nobody. Rows of sessions that have ended are deleted by
// and by, a few with each log-in.
package authsql

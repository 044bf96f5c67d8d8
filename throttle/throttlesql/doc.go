// Package throttlesql keeps the buckets of package throttle in a table of SQLite or
// PostgreSQL, so that quotas survive a restart and are shared by all instances on one
// database. It links no driver; the program that opens the database does.
//
// It decides exactly as a [throttle.Memory] does, by [throttle.Step], in one transaction
// for each request: with SQLite that takes some 0.1 ms, and writers wait for each other.
// A call that waits for them until its deadline is a [throttle.ErrBusy]. So it suits
// quotas by the hour, day or month, and calls that are dear anyway. For floods use a
// Memory; where Redis is at hand, throttleredis is many times faster.
//
// Call [Migrate] before [New], at every start. Rows whose bucket is full again are
// deleted in passing. Names and keys are stored as hashes.
package throttlesql

// Package column keeps encrypted values in the columns of a database/sql
// database: [Seal] and [Scan] encrypt an argument and decrypt a result with a
// cipher of package fernet, an [Index] finds encrypted values by equality, and
// [Reencrypt] brings a table under a new key beside the programs that use it.
//
// It stops a stolen database or backup from giving away what the columns hold.
// Use a cipher of fernet.Keyring.Field, so that a value opens in its column only,
// and its Row, so that it opens in its row only.
//
// It does not hide which rows hold equal values where there is an Index, how long
// a value is, or when it was written; docs/encryption.md has the formats and what
// each gives away.
package column

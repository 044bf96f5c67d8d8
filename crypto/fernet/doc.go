// Package fernet encrypts fields and tokens in the Fernet format, byte for byte
// as Python's cryptography.fernet does: what one side writes, the other opens.
//
// It stops a stolen database, backup or log from giving away what the columns
// hold, and a changed value from being taken for a true one. It is no layer of
// the handler chain: a handler encrypts what it stores and decrypts what it
// shows. A [Keyring] holds the keys, newest first; its [Cipher] encrypts with
// the first and opens with all, so keys are changed without downtime: add the
// new one in front everywhere, re-encrypt what is stored, drop the old. [Keyring.Field]
// has keys of one column, [Cipher.Row] binds a value to its row, and a [MAC] is a
// keyed hash. Package column puts them to use in a database; docs/encryption.md
// has the formats and what each gives away.
//
// # Format
//
// A token is the base64url text (RFC 4648 section 5, padded) of
//
//	0x80 ‖ time, 8 bytes ‖ IV, 16 ‖ AES-128-CBC ciphertext, PKCS #7 ‖ HMAC-SHA256 of all before
//
// under a key whose first half signs and whose second half encrypts. Exactly
// one text opens for each such value: other alphabets, missing or surplus
// padding, line ends, spaces and set trailing bits, which Python skips over, are
// refused, so a token can serve as an identity (in a unique index, a deny list).
//
// # What it does not do
//
// A token shows when it was made, and its length to within 16 bytes. Equal values
// give different tokens, so a column of them can be searched only by an index
// beside it (column.Index). A plain token, one of [Keyring.Cipher], opens wherever its key is used:
// nothing ties it to a row or column, and anyone who can write to the table can swap
// two of them. One of [Keyring.Field] opens in its column only, one of [Cipher.Row]
// in its row only. The text is held in memory whole, beside its token (4/3 of the
// size); files of more than some megabytes want a format that streams. Passwords
// are not encrypted but hashed (auth/password).
package fernet

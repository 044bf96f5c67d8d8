// Package apikey issues, checks, rotates and revokes API keys: secrets for
// programs, sent with every request.
//
// # What it stops
//
// A leaked database, backup or log hands out nothing: only a hash of each key
// is stored, and every type that holds a key prints redacted. A mistyped or
// made-up key is refused by its checksum before any store is asked. Unknown and
// wrong keys cost the same time and get the same response; the reason goes to the
// log and to the typed [*Error] only.
//
// # The key
//
// A key reads prefix_id_secretchecksum, such as
//
//	eco_live_1vkQ3sT0Zq8nWc4B_J2m…(36 letters and digits)
//
// The prefix is configured, so that secret scanners and people recognise it;
// the id of 16 characters finds the key's row and may be logged; the secret of
// 30 characters holds 178 random bits; the last 6 are the CRC-32 (IEEE) of all
// before them, most significant digit first. All but the prefix is base62: the
// digits, then A to Z, then a to z. The regular expression for a scanner is
//
//	\beco_live_[0-9A-Za-z]{16}_[0-9A-Za-z]{36}\b
//
// and [WellFormed] tells chance matches apart. Ids begin with the
// millisecond of their creation, so that they sort in the order of creation.
//
// # Checks
//
// In this order: exactly one key in the headers, well-formed, known, its hash,
// not revoked, not expired, from an allowed address; then, in
// [rampart.RequireScope], the scope.
//
// Each check reads the store once, unless [Config.CacheTTL] lets what was read
// be believed for a while. Keys of other systems are taken over with
// [Keys.Import] and [Config.Legacy].
//
// # Place in the chain
//
// Inside the layers that resolve the client's address and throttle by it (this
// package does not count guesses), and outside every handler that asks
// [FromContext] who calls. It does not decide what a caller may do with which
// object, and it does not encrypt: keys belong on TLS connections only.
package apikey

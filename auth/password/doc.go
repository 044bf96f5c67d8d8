// Package password hashes passwords with argon2id, bounded in cost, and reads
// the hashes that Django wrote.
//
// It stops a stolen table of hashes from giving away the passwords, a flood of
// log-ins from taking all memory and processors, and a log-in's duration from
// telling whether the account exists. It is no layer of the handler chain: the
// function that checks a name and a password uses it (session.Users), with a limit
// on guesses in front.
//
// [New] makes a [Hasher]. [Hasher.Hash] writes the PHC string format:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>
//
// with the parameters that the OWASP Password Storage Cheat Sheet recommends,
// unless [Config] has stronger ones. [Hasher.Verify] reads that and, of Django's
// formats, argon2$…, pbkdf2_sha256$…, pbkdf2_sha1$…, bcrypt_sha256$… and
// bcrypt$…, and says when a hash should be replaced, now that the password is
// known. Django does not read the replacement: while both serve one table,
// leave the old hash in place.
//
// What it does not do: it holds no policy (length, known leaks), limits no
// guesses, and normalises no Unicode: the bytes are the password. An account
// whose hash has another scheme than the configured one can be told by the time
// of its first log-ins, until its hash is replaced.
package password

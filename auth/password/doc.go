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
// formats, argon2$…, pbkdf2_sha256$…, pbkdf2_sha1$…, scrypt$…, bcrypt_sha256$… and
// bcrypt$…, and says when a hash should be replaced, now that the password is known.
// While a Django serves the same table, let [Config].Format write what it reads.
//
// [Hasher.Check] is Verify for a named account. A name without one costs what the hashes
// of the table cost ([Census]): in a mixed table, each name what one kind of them costs,
// always the same. So neither one log-in nor many of one name tell whether there is
// such an account, or an imported one. Who watches names for weeks sees those change that
// log in and get a new hash, and those that a newer census moves.
//
// At a cut-over, when everybody logs in at once with old hashes, set Queue and Wait for
// as many: 200 log-ins of 135 ms take 14 s on two processors. Check replaces no hash
// while others wait.
//
// What it does not do: it holds no policy (length, known leaks), limits no
// guesses, and normalises no Unicode: the bytes are the password.
package password

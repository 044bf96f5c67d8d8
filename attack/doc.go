// Package attack is a security test suite for a service's own tests: it logs
// in, attacks the service as the OWASP API Security Top 10 (2023) has it, and
// says what got through, where, and with the request that shows it.
//
//	func TestNoKnownAttackGetsThrough(t *testing.T) {
//		attack.Run(t, attack.Target{Handler: newHandler(), Secure: "/api/secure/", …})
//	}
//
// A check needs to know what to attack: those whose part of the [Target] is
// empty are left out, so fill in what the service has. What a check expects of
// an honest request is asked first; a service that does not respond as the
// Target says is a finding too, as the attack would prove nothing.
//
// It tells what can be seen from outside: that nothing was found is no proof of
// safety. It does not look for injection into databases, for flaws of the
// business's own rules, or at TLS. Run it against services of your own only: it
// guesses passwords, fills limits and writes what [Target].Write says.
//
// What it looks for is in [Weaknesses].
package attack

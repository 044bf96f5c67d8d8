package jose

import "math/big"

// isROCA reports whether n was made by the key generator of CVE-2017-15361, whose
// moduli can be factored: modulo each small prime they are powers of 65537. A
// random modulus passes for one with a probability below 2^-100.
func isROCA(n *big.Int) bool {
	var rest big.Int
	for p := int64(3); p <= 167; p += 2 {
		prime := big.NewInt(p)
		if !prime.ProbablyPrime(0) {
			continue
		}
		if !isPowerOf(65537%p, rest.Mod(n, prime).Int64(), p) {
			return false
		}
	}
	return true
}

// isPowerOf reports whether x is a power of base modulo p.
func isPowerOf(base, x, p int64) bool {
	for power, i := int64(1), int64(0); i < p; i++ {
		if power == x {
			return true
		}
		power = power * base % p
	}
	return false
}

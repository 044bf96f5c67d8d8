package main

import "github.com/ecolaura/rampart/throttle"

// perSecond is a rate as a number, to compare two.
func perSecond(r throttle.Rate) float64 { return float64(r.Count) / r.Period.Seconds() }

func larger(a, b throttle.Rate) throttle.Rate {
	if perSecond(a) >= perSecond(b) {
		return a
	}
	return b
}

// times returns n times r.
func times(r throttle.Rate, n int) throttle.Rate {
	return throttle.Rate{Count: r.Count * n, Period: r.Period}
}

// fifth returns a fifth of r, at least one in its period.
func fifth(r throttle.Rate) throttle.Rate {
	return throttle.Rate{Count: max(r.Count/5, 1), Period: r.Period}
}

// least returns how far a policy with the rate r may be tightened: to floor, or on a
// server that is configured with little to half of r.
func least(r, floor throttle.Rate) throttle.Rate {
	half := throttle.Rate{Count: r.Count, Period: 2 * r.Period}
	if perSecond(half) < perSecond(floor) {
		return half
	}
	return floor
}

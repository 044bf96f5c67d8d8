package throttle

import (
	"math/bits"
	"time"
)

// TokenBucket lets Burst pass at once, then Count per Period: up to Burst +
// Count in the first Period. It is GCRA, exact to the nanosecond, and decides
// as golang.org/x/time/rate does. A [Memory] takes 36 bytes for a key.
const TokenBucket Algorithm = 1

// bucket is the state of a TokenBucket: GCRA's theoretical arrival time, at
// which the bucket is full again. Time is counted in whole nanoseconds plus
// frac/Count of one, so that nothing is lost however often it is charged.
type bucket struct {
	full    moment
	frac    uint32  // less than the rate's Count
	perNano float32 // share of the limit for each nanosecond until full: for eviction, where the rate is not known
}

// used is 1 while the dearest cost asked for since the bucket was last full
// just passes, and more while that would be refused.
func (b *bucket) used(now moment) float32 {
	left := float32(b.full - now)
	if left <= 0 {
		return left
	}
	return left * b.perNano
}

// take charges cost if that leaves the bucket at or above empty.
func (b *bucket) take(now moment, it *Item, res *Result) bool {
	n := uint32(it.Rate.Count) //nolint:gosec // 1 to 1<<31-1
	burst := it.Rate.burst()
	size, sizeFrac := share(burst, it.Rate)

	full, frac, perNano := b.full, b.frac, b.perNano
	if full < now {
		full, frac, perNano = now, 0, 0
	}
	cost := it.Cost
	asked := it.asked()
	res.Limit = burst
	res.RetryAfter = 0
	if asked > burst {
		res.RetryAfter = Never
	} else {
		d, f := share(asked, it.Rate)
		after, afterFrac := add(full, frac, d, f, n)
		if wait := floorSub(after, afterFrac, size, sizeFrac) - now; wait > 0 {
			res.RetryAfter = time.Duration(wait)
		} else if cost > 0 {
			full, frac = after, afterFrac
		}
		if cost > 0 {
			room := max(size-max(d, size>>18), 1) // >>18: see limited
			b.full, b.frac, b.perNano = full, frac, max(perNano, 1/float32(room))
		}
	}
	res.Remaining = tokens(now+size-full, int64(sizeFrac)-int64(frac), it.Rate)
	res.ResetAfter = time.Duration(full - now)
	if frac > 0 {
		res.ResetAfter++ // the started nanosecond
	}
	res.At = now
	return cost == 0 || res.RetryAfter == 0
}

// give takes a charge back. What has been refilled since needs no giving.
func (b *bucket) give(now moment, it *Item) {
	if b.full <= now || it.Cost < 1 || it.Cost > it.Rate.burst() {
		return
	}
	d, f := share(it.Cost, it.Rate)
	b.full -= d
	if b.frac < f {
		b.full--
		b.frac += uint32(it.Rate.Count) //nolint:gosec // 1 to 1<<31-1; f is less, so the sum fits
	}
	b.frac -= f
}

// share returns how long r takes to refill n, at most its burst: whole
// nanoseconds and a rest in 1/Count of one.
func share(n int, r Rate) (nanos int64, frac uint32) {
	count := uint64(r.Count)                          //nolint:gosec // positive
	hi, lo := bits.Mul64(uint64(n), uint64(r.Period)) //nolint:gosec // positive
	q, rest := bits.Div64(hi, lo, count)              // Rate.inBounds: the quotient is at most maxRefill
	return int64(q), uint32(rest)                     //nolint:gosec // see above; rest < count
}

// add returns (a, af) + (b, bf), where both fractions are in 1/n.
func add(a int64, af uint32, b int64, bf, n uint32) (int64, uint32) {
	if f := uint64(af) + uint64(bf); f >= uint64(n) {
		return a + b + 1, uint32(f - uint64(n)) //nolint:gosec // less than n
	}
	return a + b, af + bf
}

// floorSub returns (a, af) − (b, bf), rounded down.
func floorSub(a int64, af uint32, b int64, bf uint32) int64 {
	if af < bf {
		return a - b - 1
	}
	return a - b
}

// tokens returns how much of r is refilled in the given time, rounded down.
func tokens(nanos, frac int64, r Rate) int {
	if frac < 0 {
		nanos--
		frac += int64(r.Count)
	}
	if nanos < 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(nanos), uint64(r.Count)) //nolint:gosec // positive
	lo, carry := bits.Add64(lo, uint64(frac), 0)         //nolint:gosec // positive
	q, _ := bits.Div64(hi+carry, lo, uint64(r.Period))   //nolint:gosec // the quotient is at most the burst
	return int(q)                                        //nolint:gosec // see above
}

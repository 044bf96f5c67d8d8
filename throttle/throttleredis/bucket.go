package throttleredis

import (
	"math"
	"math/bits"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// The state of a throttle.TokenBucket is when it is full, with a rest in 1/unit
// microseconds. a and b are what the cost takes to refill, c the unit of the
// rest, d and e what the whole bucket takes.
const (
	luaBucket = `
		local full, rest = now, 0
		if #state == 16 then
			local f, r = unpack('<dd', state)
			if f >= now then full, rest = f, r end
			if full - now > d or full - now == d and rest > e then full, rest = now + d, e end
		end
`

	bucketTake = luaBucket + `
		left, leftRest, reset = now + d - full, e - rest, full - now
		full, rest = full + a, rest + b
		if rest >= c then full, rest = full + 1, rest - c end
		wait = full - d - now
		if rest < e then wait = wait - 1 end
		if charged == 1 and wait <= 0 then
			left1, leftRest1, reset1 = now + d - full, e - rest, full - now
			ends, value = full, pack('<c8dI2dd', rate, full, 16, full, rest)
		end
`

	bucketGive = luaBucket + `
		ends, rest = full - a, rest - b
		if rest < 0 then ends, rest = ends - 1, rest + c end
		state = pack('<dd', ends, rest)
`
)

func bucketNumbers(r throttle.Rate, limit, asked int, _ int64) [5]int64 {
	unit := int64(r.Count) * 1000 // in which the rest of a microsecond counts
	cost, costRest := share(asked, r.Period, unit)
	size, sizeRest := share(limit, r.Period, unit)
	return [5]int64{cost, costRest, unit, size, sizeRest}
}

// share returns how long n of them take to refill at unit/1000 in a period:
// whole microseconds and a rest in 1/unit of one.
func share(n int, period time.Duration, unit int64) (whole, rest int64) {
	hi, lo := bits.Mul64(uint64(n), uint64(period)) //nolint:gosec // positive
	if hi >= uint64(unit) {                         //nolint:gosec // positive
		return math.MaxInt32 << 20, 0 // no valid rate: longer than any
	}
	q, r := bits.Div64(hi, lo, uint64(unit)) //nolint:gosec // positive
	return int64(q), int64(r)                //nolint:gosec // as Rate.valid bounds it; r < unit
}

// bucketResult is the inverse of share, rounded down, at most the limit.
func bucketResult(x item, period time.Duration, left, rest, full int64) (int, int64) {
	full += min(full, 1)                                     // for its rest
	hi, lo := bits.Mul64(uint64(left), uint64(x.numbers[2])) //nolint:gosec // not negative
	lo, carry := bits.Add64(lo, uint64(rest), 0)             //nolint:gosec // not negative
	hi += carry
	if hi >= uint64(period) { //nolint:gosec // positive
		return x.limit, full
	}
	q, _ := bits.Div64(hi, lo, uint64(period)) //nolint:gosec // positive
	return int(min(q, uint64(x.limit))), full  //nolint:gosec // at most the limit
}

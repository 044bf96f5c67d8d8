package throttleredis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// bucketID names the buckets of a caller under a policy, of all rates.
type bucketID [16]byte

// idOf hashes a policy and a key. The length keeps ("ab", "c") and ("a", "bc")
// apart.
func idOf(policy, key string) bucketID {
	var buf [160]byte
	b := binary.AppendUvarint(buf[:0], uint64(len(policy)))
	b = append(append(b, policy...), key...)
	sum := sha256.Sum256(b)
	return bucketID(sum[:16])
}

// redisKey returns the key of id, which is of the caller key.
func (s *Store) redisKey(id bucketID, key string) string {
	b := make([]byte, 0, maxPrefix+64)
	if s.spread {
		tag := idOf("", key)
		b = append(append(b, s.prefix...), ":{"...)
		b = base64.RawURLEncoding.AppendEncode(b, tag[:])
	} else {
		b = append(append(b, '{'), s.prefix...)
	}
	b = append(b, "}:"...)
	return string(base64.RawURLEncoding.AppendEncode(b, id[:]))
}

// cells is how many cells of a window a period spans, and the largest count for
// which it is exact.
const cells = 50

// item is a throttle.Item in the numbers of the script.
type item struct {
	numbers [5]int64
	rate    uint64 // fingerprint
	bucket  bool
	charged bool // it is to be paid
	never   bool // it costs more than its bucket holds
	limit   int
}

// convert returns it in the numbers of the script; false if its rate is none.
func convert(it *throttle.Item) (item, bool) {
	r := it.Rate
	x := item{limit: r.Count, bucket: it.Algorithm == throttle.TokenBucket, rate: fingerprint(it)}
	if r.Count < 1 || r.Period < 1 || r.Burst < 0 || it.Cost < 0 || it.Algorithm > throttle.TokenBucket {
		return x, false
	}
	if x.bucket && r.Burst > 0 {
		x.limit = r.Burst
	}
	asked := max(it.Cost, 1) // a peek tells when a cost of 1 passes
	x.never = asked > x.limit
	if x.never {
		asked = 1
	}
	x.charged = it.Cost > 0 && !x.never
	if x.bucket {
		unit := int64(r.Count) * 1000 // in which the rest of a microsecond counts
		cost, costRest := share(asked, r.Period, unit)
		size, sizeRest := share(x.limit, r.Period, unit)
		x.numbers = [5]int64{cost, costRest, unit, size, sizeRest}
		return x, true
	}
	period := micros(r.Period)
	width := (period + cells - 1) / cells
	if r.Count <= cells {
		width = 0
	}
	x.numbers = [5]int64{period, width, int64(r.Count), int64(asked), it.At}
	return x, true
}

// append appends x as the script unpacks it.
func (x *item) append(b []byte) []byte {
	for _, n := range x.numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
	}
	b = binary.LittleEndian.AppendUint64(b, x.rate)
	kind, charged := byte(0), byte(0)
	if x.bucket {
		kind = 1
	}
	switch {
	case x.charged:
		charged = 1
	case x.never:
		charged = 2 // nothing is, then
	}
	return append(b, kind, charged)
}

// fingerprint tells the rates of a caller apart.
func fingerprint(it *throttle.Item) uint64 {
	h := uint64(it.Algorithm) + 1
	for _, n := range [...]uint64{uint64(it.Rate.Count), uint64(it.Rate.Period), uint64(it.Rate.Burst)} { //nolint:gosec // any bits do
		h = bits.RotateLeft64(h^n*0x9e3779b97f4a7c15, 29) * 0xbf58476d1ce4e5b9
		h ^= h >> 32
	}
	return h
}

// micros rounds up.
func micros(d time.Duration) int64 { return int64((d + time.Microsecond - 1) / time.Microsecond) }

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

// tokens is the inverse of share, rounded down, at most the limit.
func (x *item) tokens(whole, rest int64, period time.Duration) int {
	hi, lo := bits.Mul64(uint64(whole), uint64(x.numbers[2])) //nolint:gosec // not negative
	lo, carry := bits.Add64(lo, uint64(rest), 0)              //nolint:gosec // not negative
	hi += carry
	if hi >= uint64(period) { //nolint:gosec // positive
		return x.limit
	}
	q, _ := bits.Div64(hi, lo, uint64(period)) //nolint:gosec // positive
	return int(min(q, uint64(x.limit)))        //nolint:gosec // at most the limit
}

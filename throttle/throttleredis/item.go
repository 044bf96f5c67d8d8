package throttleredis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"

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

// item is a throttle.Item in the numbers of the script.
type item struct {
	numbers [5]int64
	rate    uint64 // fingerprint
	kind    throttle.Algorithm
	charged bool // it is to be paid
	never   bool // it costs more than its bucket holds
	limit   int
}

// convert returns it in the numbers of the script; false if its rate is invalid.
func convert(it *throttle.Item) (item, bool) {
	r := it.Rate
	x := item{kind: it.Algorithm, rate: fingerprint(it), limit: it.Limit()}
	if r.Count < 1 || r.Period < 1 || r.Burst < 0 || it.Cost < 0 || int(it.Algorithm) >= len(algorithms) {
		return x, false
	}
	asked := max(it.Cost, 1) // a peek tells when a cost of 1 passes
	x.never = asked > x.limit
	if x.never {
		asked = 1
	}
	x.charged = it.Cost > 0 && !x.never
	x.numbers = algorithms[it.Algorithm].numbers(r, x.limit, asked, it.At)
	return x, true
}

// append appends x as the script unpacks it.
func (x *item) append(b []byte) []byte {
	for _, n := range x.numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
	}
	b = binary.LittleEndian.AppendUint64(b, x.rate)
	charged := byte(0)
	switch {
	case x.charged:
		charged = 1
	case x.never:
		charged = 2 // nothing is, then
	}
	return append(b, byte(x.kind), charged)
}

// fingerprint tells the rates of a caller apart.
func fingerprint(it *throttle.Item) uint64 {
	h := uint64(it.Algorithm) + 1
	if it.Algorithm == throttle.SlidingWindow {
		h = windowLayout
	}
	for _, n := range [...]uint64{uint64(it.Rate.Count), uint64(it.Rate.Period), uint64(it.Rate.Burst)} { //nolint:gosec // any bits do
		h = bits.RotateLeft64(h^n*0x9e3779b97f4a7c15, 29) * 0xbf58476d1ce4e5b9
		h ^= h >> 32
	}
	return h
}

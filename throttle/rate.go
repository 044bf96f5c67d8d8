package throttle

import (
	"math"
	"math/bits"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// A Rate is a count of requests per period, such as 100 per hour. What it
// promises is up to the [Algorithm]. The zero Rate is not valid.
type Rate struct {
	Count  int           // 1 to 2147483647
	Period time.Duration // more than 0, at most 366 days
	Burst  int           // only for a TokenBucket: how many may pass at once; 0 means Count
}

// Bounds of a Rate. They keep every number exact in the 64 bits of the memory
// store and in the 53 bits that Redis scripts count with.
const (
	maxCount  = math.MaxInt32
	maxPeriod = 366 * 24 * time.Hour
	maxRefill = 10 * 365 * 24 * time.Hour // of an empty TokenBucket
)

// String returns r as [Parse] reads it.
func (r Rate) String() string {
	s := strconv.Itoa(r.Count) + "/" + periodText(r.Period)
	if r.Burst != 0 {
		s += " burst=" + strconv.Itoa(r.Burst)
	}
	return s
}

// MarshalText implements [encoding.TextMarshaler]: it returns r as [Rate.String]
// does, or a [*RateError] if [Parse] would refuse that. The zero Rate is "".
func (r Rate) MarshalText() ([]byte, error) {
	if r == (Rate{}) {
		return nil, nil
	}
	s := r.String()
	if _, err := Parse(s); err != nil {
		return nil, err
	}
	return []byte(s), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]: it reads what [Parse]
// does, and "" as the zero Rate. The error is a [*RateError]; r is then as it
// was.
func (r *Rate) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Rate{}
		return nil
	}
	read, err := Parse(string(text))
	if err == nil {
		*r = read
	}
	return err
}

// burst returns how much a TokenBucket of r holds.
func (r Rate) burst() int {
	if r.Burst == 0 {
		return r.Count
	}
	return r.Burst
}

// valid reports whether a policy with algorithm a can take r.
func (r Rate) valid(a Algorithm) bool {
	return r.inBounds() && (a.entry().bursts || r.burst() == r.Count)
}

// atOnce returns r such that no more than most pass at once, and as many as before in
// the long run.
func (r Rate) atOnce(most int) Rate {
	switch {
	case r.burst() <= most || most < 1:
	case r.Burst > 0:
		r.Burst = most
	default: // a window, or a bucket as large as its count
		period := math.Ceil(float64(r.Period) * float64(most) / float64(r.Count))
		r.Count, r.Period = most, time.Duration(period)
	}
	return r
}

// inBounds reports whether there is an algorithm that can take r.
func (r Rate) inBounds() bool {
	if r.Count < 1 || r.Count > maxCount || r.Period < 1 || r.Period > maxPeriod || r.Burst < 0 || r.Burst > maxCount {
		return false
	}
	hi, lo := bits.Mul64(uint64(r.burst()), uint64(r.Period)) //nolint:gosec // both are positive, see above
	return hi == 0 && lo/uint64(r.Count) <= uint64(maxRefill) || hi != 0 && refillFits(hi, lo, r.Count)
}

// refillFits is the rare case of inBounds: burst × period needs more than 64 bits.
func refillFits(hi, lo uint64, count int) bool {
	n := uint64(count) //nolint:gosec // positive
	if hi >= n {
		return false // the quotient itself needs more than 64 bits
	}
	q, _ := bits.Div64(hi, lo, n)
	return q <= uint64(maxRefill)
}

// Limit returns r's steady rate for golang.org/x/time/rate. With r's burst, a
// [rate.Limiter] decides as a [TokenBucket] does.
func (r Rate) Limit() rate.Limit {
	if r.Period <= 0 {
		return 0
	}
	return rate.Limit(float64(r.Count) * float64(time.Second) / float64(r.Period))
}

// FromLimit returns the Rate of a [rate.Limiter] with limit l and burst, for a
// [TokenBucket]: the simplest fraction that is equal to l within the precision
// of a float64. It returns the zero Rate, which is not valid, where no Rate
// can stand for the two: l infinite, not a number, not positive or less than
// once in 366 days, or burst less than 1.
func FromLimit(l rate.Limit, burst int) Rate {
	perNano := float64(l) / float64(time.Second)
	if math.IsNaN(perNano) || perNano <= 0 || math.IsInf(perNano, 1) || burst < 1 || burst > maxCount {
		return Rate{}
	}
	// The convergents of the continued fraction of perNano.
	const precision = 1e-15
	x := perNano
	p0, q0, p1, q1 := 0.0, 1.0, 1.0, 0.0
	for {
		a := math.Floor(x)
		p0, q0, p1, q1 = p1, q1, a*p1+p0, a*q1+q0
		if p1 > maxCount || q1 > float64(maxPeriod) {
			return Rate{}
		}
		if math.Abs(p1/q1-perNano) <= precision*perNano {
			break
		}
		x = 1 / (x - a)
	}
	r := Rate{Count: int(p1), Period: time.Duration(q1), Burst: burst}
	if !r.inBounds() {
		return Rate{}
	}
	return r
}

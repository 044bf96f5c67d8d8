package throttle

import "net/http"

// Algorithm is what a [Rate] means.
type Algorithm uint8

// The algorithms.
const (
	// SlidingWindow never lets more than Count pass in any Period, wherever
	// the period starts: what Django REST framework promises and what people
	// read in "100/hour". It is exact up to a count of 16; above that it may
	// refuse a little early (up to 2 % of the period), never late. A [Memory]
	// with too little room can forget who has not used up a limit.
	SlidingWindow Algorithm = iota

	// TokenBucket lets Burst pass at once, then Count per Period: up to
	// Burst + Count in the first Period. It is GCRA, exact to the nanosecond,
	// and decides as golang.org/x/time/rate does.
	TokenBucket
)

// String returns the algorithm's name.
func (a Algorithm) String() string {
	switch a {
	case SlidingWindow:
		return "SlidingWindow"
	case TokenBucket:
		return "TokenBucket"
	default:
		return "unknown"
	}
}

// A Policy is one named limit. Its functions must be safe to call from several
// goroutines.
type Policy struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Name is required and unique in the Limiter, at most 64 characters of a
	// token (RFC 9110 section 5.6.2). Clients see it.
	Name string

	// Rate is required unless RateFor is set.
	Rate Rate

	// Algorithm; the zero value is SlidingWindow.
	Algorithm Algorithm

	// RateFor, if not nil, tells the rate of a request, such as that of a user's
	// plan. Each rate of a caller has a bucket of its own, so a caller must not
	// be able to choose. The zero Rate stands for the field Rate. A request for
	// which it returns a Rate that is not valid is refused.
	RateFor func(*http.Request) Rate

	// Key says who pays; it is required.
	Key KeyFunc

	// Cost of a request; nil: 1. A cost of 0 is let pass; a negative one, like
	// one above the limit, is always refused.
	Cost func(*http.Request) int

	// Match, if not nil, says which requests the policy is for; nil: all.
	Match func(*http.Request) bool

	// Refund, if not nil, says by the status of the answer whether the charge
	// is given back: a policy that counts failed log-ins gives back what is
	// not a 401. Until the answer is there the charge stands, so guesses made
	// at the same time cannot outrun it. A handler that panics counts as 500.
	Refund func(status int) bool

	// Shadow counts and reports, but never refuses: to try out a limit. It is
	// charged only when the other policies let the request pass, and clients
	// do not see it.
	Shadow bool
}

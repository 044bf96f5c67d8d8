package throttle

import "net/http"

// A Policy is one named limit. Its functions must be safe to call from several
// goroutines.
type Policy struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Name is required and unique in the Limiter, at most 64 characters of a
	// token (RFC 9110 section 5.6.2). Clients see it.
	Name string

	// Rate is required unless RateFor is set.
	Rate Rate

	// Least is what [Overrides] may tighten it to at most: what operators need to get in,
	// and to lift it again. Not more than Rate; zero: no limit.
	Least Rate

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

	// Refund, if not nil, says by the status of the response whether the charge
	// is given back: a policy that counts failed log-ins gives back what is
	// not a 401. Until the response is there the charge stands, so guesses made
	// at the same time cannot outrun it. A handler that panics counts as 500.
	Refund func(status int) bool

	// Shadow counts and reports, but never refuses: to try out a limit. It is
	// charged only when the other policies let the request pass, and clients
	// do not see it.
	Shadow bool
}

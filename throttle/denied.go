package throttle

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
)

// Reasons of a [*DeniedError].
const (
	QuotaExceeded    rampart.Denial = "quota_exceeded"    // 429: the Decision says by which policy
	CallerUnknown    rampart.Denial = "caller_unknown"    // 403: a KeyFunc cannot tell who pays
	StoreUnavailable rampart.Denial = "store_unavailable" // 503: the store or the feed of Overrides fails, and the outage policy is FailClosed; or ErrBusy
	NotConfigured    rampart.Denial = "not_configured"    // 503: a zero Limiter or Concurrent, or a RateFor that returned no valid rate

	ConcurrencyExceeded rampart.Denial = "concurrency_exceeded" // 429: as many requests of the key as a Concurrent allows are in flight
	Overloaded          rampart.Denial = "overloaded"           // 503: as many in all are, and the queue is full or the wait over
)

// A DeniedError says why a request was refused.
type DeniedError struct {
	Reason   rampart.Denial // one of the constants above
	Policy   string         // the policy, where one is the cause, or the Concurrent's name
	Decision Decision       // for QuotaExceeded
	Err      error          // for StoreUnavailable: what the store said; for Overloaded: why the wait ended early
}

// Error implements error. It does not name the caller.
func (e *DeniedError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("throttle: %s: %v", e.Reason, e.Err)
	case e.Policy != "":
		return fmt.Sprintf("throttle: %s: policy %q", e.Reason, e.Policy)
	default:
		return "throttle: " + string(e.Reason)
	}
}

// Denial implements [rampart.Refusal].
func (e *DeniedError) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal].
func (e *DeniedError) Problem() *rampart.Problem {
	switch e.Reason {
	case QuotaExceeded:
		var wait time.Duration
		var violated []string
		for _, res := range e.Decision.Results {
			if res.RetryAfter != 0 {
				if res.RetryAfter == Never || wait != Never && res.RetryAfter > wait {
					wait = res.RetryAfter
				}
				violated = append(violated, res.Policy)
			}
		}
		p := exceeded(wait, violated)
		if wait != Never {
			p.Header = http.Header{fieldRetryAfter: {strconv.FormatInt(seconds(wait), 10)}}
		}
		return p
	case CallerUnknown:
		return callerUnknown()
	}
	p := unavailable()
	switch e.Reason {
	case ConcurrencyExceeded:
		p = &rampart.Problem{Status: http.StatusTooManyRequests, Code: "throttled", Detail: "Too many requests of this caller are in progress."}
	case Overloaded:
		p = &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "busy", Detail: "Too many requests are in progress."}
	}
	p.Header = http.Header{fieldRetryAfter: {unavailableRetry}}
	return p
}

// Unwrap returns Err.
func (e *DeniedError) Unwrap() error { return e.Err }

var errBlind = errors.New("what is overridden is not known now")

// Errors of a call that cannot be carried out as it was made.
var (
	// ErrUnknownPolicy is returned for a name that no policy has.
	ErrUnknownPolicy = errors.New("throttle: no policy of that name")
	// ErrNeedsRequest is returned for a policy whose rate only a request tells:
	// it has a RateFor.
	ErrNeedsRequest = errors.New("throttle: the rate of that policy depends on the request")
	// ErrInvalidCall is returned for an empty key or a cost less than 1.
	ErrInvalidCall = errors.New("throttle: empty key or cost less than 1")
)

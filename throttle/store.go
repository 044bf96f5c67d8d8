package throttle

import (
	"context"
	"errors"
	"time"
)

// An Item is one bucket that a request charges. Policy, Key, Rate and
// Algorithm together name the bucket: a caller whose rate changes starts a new
// one.
type Item struct {
	Policy    string // name of the policy
	Key       string // who pays; hash it before it leaves the process
	Rate      Rate   // valid for Algorithm
	Algorithm Algorithm
	Cost      int   // not negative; 0 peeks
	At        int64 // for Give: the At of the Result of the charge

	// A Limiter calls a Memory with these, which need no allocation.
	key        []byte // in the place of Key
	policyHash uint64 // of Policy in that Memory; 0: not known
	unit       int    // what a request of cost 1 costs here; 0: 1
}

// asked returns the cost that a Result is for. A peek tells when a request passes.
func (it *Item) asked() int { return max(it.Cost, it.unit, 1) }

// Limit returns how much it's bucket holds: the Limit of its [Result].
func (it *Item) Limit() int {
	if it.Algorithm.entry().bursts {
		return it.Rate.burst()
	}
	return it.Rate.Count
}

// A Result is the state of one bucket after a decision.
type Result struct {
	Policy     string        // name of the policy
	Limit      int           // how much the bucket holds
	Remaining  int           // how much of that is left
	RetryAfter time.Duration // 0: the cost was or could be charged; else how long until it can be, if nothing else is; Never
	ResetAfter time.Duration // until the bucket is full again
	Overflow   bool          // this is the shared bucket of a full table
	Unknown    bool          // the store did not look, as another item was known to be in the way; only Policy and Limit are set
	At         int64         // the store's time of the charge, for Give; means nothing else
}

// Never is the RetryAfter of a cost that is larger than the limit: no waiting
// helps.
const Never time.Duration = -1

// ErrBusy is what a [Store] returns, wrapped or not, that works, but that this process
// was too busy to ask in time. It is no outage: whatever its [rampart.Outage]
// policy, a [Limiter] refuses the request, as [StoreUnavailable]. To let it pass, or to
// count it here, would let more pass than the rate while the store still counts others.
var ErrBusy = errors.New("throttle: this process is too busy to ask the store in time")

// A Store keeps buckets. Its methods are safe for concurrent use. An error
// means that the store itself failed; [Limiter] then follows its [rampart.Outage]
// policy, unless it is [ErrBusy]. Each call is one atomic step. The contract is tested by
// throttletest.TestStore.
type Store interface {
	// Take charges every item or none, says which, and fills out, which has
	// the length of items. Items of one call name different buckets. If it
	// refuses, RetryAfter is set for each item that stood in the way, of which
	// at least one is known. An item of cost 0 is never in the way; its
	// RetryAfter is for a cost of 1.
	Take(ctx context.Context, items []Item, out []Result) (allowed bool, err error)

	// Give takes charges back, each the one that was made at its item's At
	// with its item's Cost. What left the bucket meanwhile is not given again.
	Give(ctx context.Context, items []Item) error

	// Reset fills the buckets of keys under policy, whatever their rates.
	Reset(ctx context.Context, policy string, keys ...string) error
}

// An OutageReporter is a [Store] that reports itself when it begins and when it
// ceases to fail, once for all Limiters that share it. They then do not.
type OutageReporter interface {
	Store
	// ReportsOutages does nothing: that it is there says it.
	ReportsOutages()
}

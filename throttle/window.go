package throttle

import "time"

// logSize is the largest Count for which a window keeps the time of each unit.
const logSize = 16

// window is the state of a SlidingWindow in 136 bytes, in one of two forms by
// the rate's Count: a log of single units (windowlog.go), which is exact, or a
// grid of cells (windowgrid.go), which rounds up. All zero is a full window.
type window struct {
	until moment              // when the last unit leaves
	next  moment              // when a cost of 1 passes next, if nothing leaves by a refund: for eviction
	words [logSize - 1]uint64 // log or grid
}

func (w *window) owes(now moment) time.Duration { return time.Duration(w.until - now) }

func (w *window) limited(now moment) bool { return w.next > now }

// take charges cost if no more than Count units then lie in the period that
// ends now. A refusal changes nothing that counts.
func (w *window) take(now moment, it *Item, res *Result) bool {
	res.Limit = it.Rate.Count
	res.At = now
	if it.Rate.Count <= logSize {
		w.takeLog(now, it, res)
	} else {
		w.takeGrid(now, it, res)
	}
	res.ResetAfter = time.Duration(max(w.until-now, 0))
	return it.Cost == 0 || res.RetryAfter == 0
}

// give takes a charge back: the units of the moment in which it was made, so
// that those of others keep their time.
func (w *window) give(now moment, it *Item) {
	if w.until <= now || it.Cost < 1 {
		return
	}
	if it.Rate.Count <= logSize {
		w.giveLog(it)
	} else {
		w.giveGrid(now, it)
	}
}

package throttle

import "time"

// SlidingWindow never lets more than Count pass in any Period, wherever the
// period starts: what Django REST framework promises and what people read in
// "100/hour". A caller who has waited for a Period may make exactly Count requests.
// Up to a count of 16 each of them is free again to the nanosecond; above that it may
// be a little late (by up to 2 % of the period), never early. A [Memory] takes 159
// bytes for a key; with too little room it can forget who has not used up a
// limit.
const SlidingWindow Algorithm = 0

// logSize is the largest Count for which a window keeps the time of each unit.
const logSize = 16

// window is the state of a SlidingWindow in 136 bytes, in one of two forms by
// the rate's Count: a log of single units (windowlog.go), which is exact, or a
// grid of cells (windowgrid.go), which rounds up. All zero is a full window.
type window struct {
	until moment              // when the last unit leaves
	share float32             // of the limit that was used when last charged
	slack float32             // how long before until it ceases to be limited
	words [logSize - 1]uint64 // log or grid
}

// used is by what was used, not by when: a flood of fresh keys that used little
// drives out itself, not who has nearly used up a limit.
func (w *window) used(now moment) float32 {
	switch {
	case w.until <= now:
		return float32(w.until - now)
	case float32(w.until-now) > w.slack:
		return 2
	default:
		return w.share
	}
}

// note keeps what eviction asks for, where the rate is not known: that it is
// limited until a moment, when what it asked for passes.
func (w *window) note(r Rate, remaining int, until moment) {
	w.share = float32(r.Count-remaining) / float32(r.Count)
	w.slack = float32(w.until - until)
}

func (w *window) limitedUntil() moment { return w.until - moment(w.slack) }

// refuse keeps that a cost is refused until a moment.
func (w *window) refuse(until moment) { w.slack = min(w.slack, float32(w.until-until)) }

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
	if w.until <= now || it.Cost < 1 || it.Cost > it.Rate.Count {
		return
	}
	w.slack = float32(w.until - now) // what was refused may pass now
	if it.Rate.Count <= logSize {
		w.giveLog(now, it)
	} else {
		w.giveGrid(now, it)
	}
}

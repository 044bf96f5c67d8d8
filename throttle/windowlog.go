package throttle

import "time"

// unitLog holds when each of the last units was charged, newest first. Zero is
// long ago.
type unitLog [logSize]moment

// log reads w as a log. The newest unit is kept as the moment in which it
// leaves.
func (w *window) log(period moment) (l unitLog) {
	l[0] = w.until - period
	for i, word := range w.words {
		l[i+1] = moment(word) //nolint:gosec // written by setLog
	}
	return l
}

func (w *window) setLog(l *unitLog, it *Item, now moment) {
	period, limited := moment(it.Rate.Period), w.limitedUntil()
	w.until = l[0] + period
	for i := range w.words {
		w.words[i] = uint64(l[i+1]) //nolint:gosec // read back by log
	}
	w.note(it.Rate, l.remaining(it.Rate, now), max(limited, l[it.Rate.Count-it.Cost]+period))
}

// remaining counts the units of r that are not live.
func (l *unitLog) remaining(r Rate, now moment) int {
	live := 0
	for live < r.Count && l[live]+moment(r.Period) > now {
		live++
	}
	return r.Count - live
}

// takeLog: with n units allowed and a cost of c, the unit number n-c from the
// newest must have left. Later ones have left before it.
func (w *window) takeLog(now moment, it *Item, res *Result) {
	n, period := it.Rate.Count, moment(it.Rate.Period)
	l := w.log(period)
	asked := it.asked()
	res.RetryAfter = 0
	if asked > n {
		res.RetryAfter = Never
	} else if wait := l[n-asked] + period - now; wait > 0 {
		res.RetryAfter = time.Duration(wait)
		if it.Cost > 0 {
			w.refuse(now + wait)
		}
	} else if it.Cost > 0 {
		copy(l[it.Cost:], l[:])
		for i := range it.Cost {
			l[i] = now
		}
		w.setLog(&l, it, now)
	}
	res.Remaining = l.remaining(it.Rate, now)
}

func (w *window) giveLog(now moment, it *Item) {
	l := w.log(moment(it.Rate.Period))
	from := 0
	for from < logSize && l[from] != it.At {
		from++
	}
	to := from
	for to < logSize && to < from+it.Cost && l[to] == it.At {
		to++
	}
	kept := copy(l[from:], l[to:])
	clear(l[from+kept:])
	w.setLog(&l, it, now)
}

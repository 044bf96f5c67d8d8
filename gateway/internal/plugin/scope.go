package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// scoped is a shared store in which each plugin has counts of its own.
type scoped struct {
	store    throttle.Store
	prefix   string
	calendar bool // windows begin with the day, the ISO week or the month, in UTC
}

// scope returns a scoped store; it reports outages if store does, so that no
// plugin reports the same one again.
func scope(store throttle.Store, prefix string, calendar bool) throttle.Store {
	s := &scoped{store, prefix, calendar}
	if _, ok := store.(throttle.OutageReporter); ok {
		return reporting{s}
	}
	return s
}

// reporting is a scoped store that implements throttle.OutageReporter.
type reporting struct{ *scoped }

// ReportsOutages implements throttle.OutageReporter.
func (reporting) ReportsOutages() {}

// Take implements throttle.Store.
func (s *scoped) Take(ctx context.Context, items []throttle.Item, out []throttle.Result) (bool, error) {
	now := time.Now()
	ok, err := s.store.Take(ctx, s.mark(items, now), out)
	if !s.calendar || err != nil {
		return ok, err
	}
	for i := range out {
		_, turn := period(&items[i], now)
		if turn.IsZero() {
			continue
		}
		for _, wait := range []*time.Duration{&out[i].RetryAfter, &out[i].ResetAfter} {
			if *wait > 0 { // else it is nothing, or Never
				*wait = turn.Sub(now)
			}
		}
	}
	return ok, nil
}

// Give implements throttle.Store.
func (s *scoped) Give(ctx context.Context, items []throttle.Item) error {
	return s.store.Give(ctx, s.mark(items, time.Now()))
}

// Reset implements throttle.Store.
func (s *scoped) Reset(ctx context.Context, policy string, keys ...string) error {
	var marked []string
	for _, k := range keys {
		marked = append(marked, s.prefix+k)
		if s.calendar {
			for _, days := range []int{1, 7, monthDays} { // it is not told which
				p, _ := period(&throttle.Item{Rate: throttle.Rate{Period: time.Duration(days) * day}}, time.Now())
				marked = append(marked, p+s.prefix+k)
			}
		}
	}
	return s.store.Reset(ctx, policy, marked...)
}

// mark puts the prefix before the keys: clients see the policies' names.
func (s *scoped) mark(items []throttle.Item, now time.Time) []throttle.Item {
	marked := make([]throttle.Item, len(items))
	for i, it := range items {
		it.Key = s.prefix + it.Key
		if s.calendar {
			p, _ := period(&it, now)
			it.Key = p + it.Key
		}
		marked[i] = it
	}
	return marked
}

// monthDays is how long the window of a calendar month is: in none does a charge
// leave it before the turn.
const monthDays = 31

// period names the period of a window at now, and says when it turns; "": it has
// none.
func period(it *throttle.Item, now time.Time) (name string, turn time.Time) {
	now = now.UTC()
	y, m, d := now.Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	switch {
	case it.Algorithm != throttle.SlidingWindow:
		return "", time.Time{}
	case it.Rate.Period == day:
		return now.Format(time.DateOnly) + "/", today.AddDate(0, 0, 1)
	case it.Rate.Period == 7*day:
		year, week := now.ISOWeek()
		return fmt.Sprintf("%d-W%02d/", year, week), today.AddDate(0, 0, 7-(int(now.Weekday())+6)%7)
	}
	return now.Format("2006-01/"), time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
}

package throttletest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

// TestStore runs the contract against the stores that open returns, one for
// each test; open registers what must be closed with its TB. It takes about
// two seconds of the store's time.
func TestStore(t *testing.T, open func(testing.TB) throttle.Store) {
	t.Helper()
	for _, a := range throttle.Algorithms() {
		t.Run(a.String(), func(t *testing.T) {
			for _, test := range []struct {
				name string
				run  func(*tester)
			}{
				{"a bucket holds its limit and no more", (*tester).limit},
				{"a cost is charged as a whole", (*tester).cost},
				{"a cost of 0 charges nothing", (*tester).peek},
				{"a cost above the limit is never let pass", (*tester).tooDear},
				{"policy, key and rate each name a bucket of their own", (*tester).names},
				{"several items are charged together or not at all", (*tester).together},
				{"what is given back can be used again, once", (*tester).give},
				{"a charge that was made in one moment is given back in another", (*tester).giveLater},
				{"a reset fills all buckets of a key", (*tester).reset},
				{"who waits as long as told may go", (*tester).wait},
				{"of a large count each unit passes", (*tester).large},
				{"a rate faster than any clock is a rate", (*tester).fast},
				{"exactly the limit passes under concurrency", (*tester).concurrent},
			} {
				t.Run(test.name, func(t *testing.T) { test.run(&tester{T: t, store: open(t), algorithm: a}) })
			}
		})
	}
}

type tester struct {
	*testing.T

	store     throttle.Store
	algorithm throttle.Algorithm
}

// item returns an item whose rate refills nothing while a test runs.
func (t *tester) item(key string, count, cost int) throttle.Item {
	return throttle.Item{Policy: "p", Key: key, Rate: throttle.Rate{Count: count, Period: 24 * time.Hour}, Algorithm: t.algorithm, Cost: cost}
}

// must ends the test unless ok.
func (t *tester) must(ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf(format, args...)
	}
}

func (t *tester) take(items ...throttle.Item) (bool, []throttle.Result) {
	t.Helper()
	out := make([]throttle.Result, len(items))
	ok, err := t.store.Take(t.Context(), items, out)
	t.must(err == nil, "Take: %v", err)
	for i, res := range out {
		want := items[i].Policy //nolint:gosec // out is as long as items
		t.must(res.Policy == want, "Policy: got %q; want %q", res.Policy, want)
		t.must(res.Remaining >= 0 && res.Remaining <= res.Limit, "Remaining: got %d of %d", res.Remaining, res.Limit)
	}
	return ok, out
}

// want takes one item and compares.
func (t *tester) want(it throttle.Item, ok bool, remaining int) throttle.Result {
	t.Helper()
	got, out := t.take(it)
	t.must(got == ok && out[0].Remaining == remaining, "got %t with %d left; want %t with %d left", got, out[0].Remaining, ok, remaining)
	waits := out[0].RetryAfter != 0
	t.must(it.Cost == 0 || waits != ok, "allowed is %t and RetryAfter is %v", ok, out[0].RetryAfter)
	return out[0]
}

func (t *tester) limit() {
	for left := 9; left >= 0; left-- {
		res := t.want(t.item("k", 10, 1), true, left)
		t.must(res.Limit == 10, "Limit: got %d; want 10", res.Limit)
		t.must(res.ResetAfter > 0 && res.ResetAfter <= 24*time.Hour, "ResetAfter: got %v; want up to 24h", res.ResetAfter)
	}
	res := t.want(t.item("k", 10, 1), false, 0)
	t.must(res.RetryAfter > 0 && res.RetryAfter <= 24*time.Hour, "RetryAfter: got %v; want up to 24h", res.RetryAfter)
}

func (t *tester) cost() {
	t.want(t.item("k", 10, 7), true, 3)
	t.want(t.item("k", 10, 4), false, 3)
	t.want(t.item("k", 10, 3), true, 0)
}

func (t *tester) peek() {
	res := t.want(t.item("k", 1, 0), true, 1)
	t.must(res.RetryAfter == 0, "RetryAfter of a full bucket: got %v; want 0", res.RetryAfter)
	t.want(t.item("k", 1, 1), true, 0)
	res = t.want(t.item("k", 1, 0), true, 0)
	t.must(res.RetryAfter > 0, "RetryAfter of an empty bucket: got %v; want the wait for a cost of 1", res.RetryAfter)
}

func (t *tester) tooDear() {
	for _, count := range []int{10, 100} {
		res := t.want(t.item("k", count, count+1), false, count)
		t.must(res.RetryAfter == throttle.Never, "RetryAfter: got %v; want Never", res.RetryAfter)
		t.want(t.item("k", count, count), true, 0)
	}
}

func (t *tester) names() {
	first := t.item("k", 3, 3)
	t.want(first, true, 0)
	otherPolicy, otherKey, otherRate := first, first, first
	otherPolicy.Policy = "q"
	otherKey.Key = "l"
	otherRate.Rate.Period++
	for _, it := range []throttle.Item{otherPolicy, otherKey, otherRate} {
		t.want(it, true, 0)
	}
	t.want(first, false, 0)

	joined := t.item("bc", 3, 3) // p + bc and pb + c are two names
	t.want(joined, true, 0)
	joined.Policy, joined.Key = "pb", "c"
	t.want(joined, true, 0)
}

func (t *tester) together() {
	wide, narrow := t.item("k", 10, 1), t.item("k", 2, 1)
	narrow.Policy = "narrow"
	for range 2 {
		ok, _ := t.take(wide, narrow)
		t.must(ok, "refused within both limits")
	}
	ok, out := t.take(wide, narrow)
	t.must(!ok, "let pass beyond the narrow limit")
	t.must(out[0].RetryAfter == 0 && out[0].Remaining == 8 && out[1].RetryAfter > 0 && out[1].Remaining == 0, "got %+v; want only the second in the way", out)
	t.want(t.item("k", 10, 0), true, 8) // not charged
	both := wide
	both.Cost = 9
	ok, out = t.take(both, narrow)
	t.must(!ok && (out[0].Unknown || out[0].RetryAfter > 0) && out[1].RetryAfter > 0, "got %t, %+v; want both in the way", ok, out)
	ok, _ = t.take()
	t.must(ok, "a call without items was refused")
}

func (t *tester) giveBack(it throttle.Item, res throttle.Result) {
	t.Helper()
	it.At = res.At
	err := t.store.Give(t.Context(), []throttle.Item{it})
	t.must(err == nil, "Give: %v", err)
}

func (t *tester) give() {
	for _, count := range []int{7, 100} {
		it := t.item("k", count, 3)
		res := t.want(it, true, count-3)
		t.giveBack(it, res)
		t.want(t.item("k", count, 0), true, count)
		t.giveBack(it, res) // gives nothing above full
		t.want(t.item("k", count, 0), true, count)
		t.want(t.item("k", count, count), true, 0)
	}
	it := t.item("never charged", 10, 3)
	t.giveBack(it, throttle.Result{At: 1})
	t.want(t.item("never charged", 10, 0), true, 10)
}

func (t *tester) giveLater() {
	for _, count := range []int{7, 100} {
		first := t.item("k", count, 2)
		res := t.want(first, true, count-2)
		time.Sleep(5 * time.Millisecond)
		t.want(t.item("k", count, 1), true, count-3)
		t.giveBack(first, res)
		t.want(t.item("k", count, 0), true, count-1)
	}
}

func (t *tester) reset() {
	day, hour, other := t.item("k", 3, 3), t.item("k", 3, 3), t.item("l", 3, 3)
	hour.Rate.Period = time.Hour
	for _, it := range []throttle.Item{day, hour, other} {
		t.want(it, true, 0)
	}
	err := t.store.Reset(t.Context(), "p", "k", "unknown")
	t.must(err == nil, "Reset: %v", err)
	t.want(day, true, 0)
	t.want(hour, true, 0)
	t.want(other, false, 0)
	err = t.store.Reset(t.Context(), "p")
	t.must(err == nil, "Reset without keys: %v", err)
}

func (t *tester) wait() {
	it := t.item("k", 2, 1)
	it.Rate.Period = 200 * time.Millisecond
	t.want(it, true, 1)
	t.want(it, true, 0)
	_, out := t.take(it)
	t.must(out[0].RetryAfter > 0 && out[0].RetryAfter <= it.Rate.Period, "RetryAfter: got %v; want up to %v", out[0].RetryAfter, it.Rate.Period)
	time.Sleep(out[0].RetryAfter + time.Millisecond) // the clocks of a store far away and of this test may differ a little
	ok, out := t.take(it)
	t.must(ok, "refused after the wait")
	time.Sleep(out[0].ResetAfter + time.Millisecond)
	it.Cost = 0
	t.want(it, true, 2)
}

// large uses a count that a store may not keep unit by unit.
func (t *tester) large() {
	const count = 1_000_000
	it := t.item("k", count, 1)
	it.Rate.Period = 365 * 24 * time.Hour // a bucket refills nothing of so many while a test runs
	for left, cost := count, 1; left > 0; cost = cost%997 + 1 {
		it.Cost = min(cost, left)
		left -= it.Cost
		t.want(it, true, left)
	}
	it.Cost = 1
	t.want(it, false, 0)
	fresh := it
	fresh.Key, fresh.Cost = "fresh", count
	t.want(fresh, true, 0)
	fresh.Cost = 1
	t.want(fresh, false, 0)
}

// fast uses rates whose cost refills in less than a microsecond.
func (t *tester) fast() {
	fast, long := t.item("k", 2_000_000, 1), t.item("k", 10, 1)
	fast.Policy, fast.Rate.Period = "fast", time.Second
	burst := throttle.Item{Rate: throttle.Rate{Count: 3_000_000, Period: time.Second, Burst: 30}, Algorithm: t.algorithm}
	if burst.Limit() == burst.Rate.Burst {
		fast.Rate = burst.Rate
	}
	for left := 9; left >= 0; left-- {
		ok, _ := t.take(fast)
		t.must(ok, "refused alone, %d more to come", left)
		ok, out := t.take(long, fast)
		t.must(ok && out[0].Remaining == left, "got %t, %+v; want one charge for each call", ok, out)
	}
	t.giveBack(fast, throttle.Result{At: 1})
}

func (t *tester) concurrent() {
	const workers, each, count = 16, 50, 300
	var passed, failed atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			out := make([]throttle.Result, 2)
			a, b := t.item("k", count, 1), t.item("l", 2*count, 1)
			for range each {
				switch ok, err := t.store.Take(t.Context(), []throttle.Item{a, b}, out); {
				case err != nil:
					failed.Add(1)
				case ok:
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.must(failed.Load() == 0, "Take: %d errors", failed.Load())
	t.must(passed.Load() == count, "%d passed; want %d", passed.Load(), count)
	t.want(t.item("l", 2*count, 0), true, count)
}

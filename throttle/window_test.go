package throttle_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
)

// bars reports whether the long tests run too.
func bars() bool { return os.Getenv("RAMPART_BARS") != "" }

// take charges one item and returns its result.
func take(t testing.TB, m throttle.Store, it throttle.Item) (bool, throttle.Result) {
	t.Helper()
	out := make([]throttle.Result, 1)
	ok, err := m.Take(t.Context(), []throttle.Item{it}, out)
	if err != nil {
		t.Fatal(err)
	}
	return ok, out[0]
}

// exactLog is the oracle: it keeps every charge. Times are since some start.
type exactLog struct {
	rate   throttle.Rate
	all    []charge
	from   int // of all, the first that may be live
	units  int // of all[from:]
	passed int
}

type charge struct {
	at   time.Duration
	cost int
}

// live returns how many units lie in the period that ends at now. A unit
// leaves when it is one period old.
func (l *exactLog) live(now time.Duration) int {
	for l.from < len(l.all) && now-l.all[l.from].at >= l.rate.Period {
		l.units -= l.all[l.from].cost
		l.from++
	}
	return l.units
}

func (l *exactLog) add(now time.Duration, cost int) {
	l.all = append(l.all, charge{now, cost})
	l.units += cost
	l.passed += cost
}

// remove takes back the charge with that number.
func (l *exactLog) remove(number int) {
	if number >= l.from {
		l.units -= l.all[number].cost
	}
	l.all[number].cost = 0
}

// start forgets everything.
func (l *exactLog) start(r throttle.Rate) { *l = exactLog{rate: r, all: l.all[:0]} }

// scheduler makes the pauses of a random caller: steady, in bursts, as fast as
// allowed, now and then idle.
type scheduler struct {
	rnd   *rand.Rand
	rate  throttle.Rate
	style int
	mean  float64 // nanoseconds
	load  float64
}

func newScheduler(rnd *rand.Rand, r throttle.Rate) scheduler {
	return scheduler{rnd, r, rnd.IntN(4), float64(r.Period) / float64(r.Count), 0.5 + 2*rnd.Float64()}
}

func (s *scheduler) pause() time.Duration {
	switch {
	case s.rnd.IntN(4*s.rate.Count) == 0:
		return time.Duration(s.rnd.Float64() * 1.5 * float64(s.rate.Period))
	case s.style == 0:
		return time.Duration(s.mean / s.load)
	case s.style == 1:
		return time.Duration(s.rnd.ExpFloat64() * s.mean / s.load)
	case s.style == 2 && s.rnd.IntN(s.rate.Count) != 0:
		return 0
	case s.style == 2:
		return s.rate.Period / 2
	default:
		return time.Duration(s.rnd.ExpFloat64() * s.mean / 10)
	}
}

// TestASlidingWindowAgainstAnExactLog runs random schedules through a window
// and through a log of everything that it let pass, which shows whether more
// than the count ever lay in one period, and through a log that decides by
// itself, which shows how much was refused for rounding. Now and then it asks
// again right before and at the time that a refusal told.
func TestASlidingWindowAgainstAnExactLog(t *testing.T) {
	schedules := 2000
	if bars() {
		schedules = 1_000_000
	}
	counts := []int{1, 2, 5, 16, 17, 20, 50, 100, 300}
	periods := []time.Duration{time.Second, time.Minute, time.Hour + 7}
	passed, possible := map[int]int{}, map[int]int{}
	rnd := rand.New(rand.NewPCG(1, 2))
	var actual, ideal exactLog
	var res, again throttle.Result
	for s := range schedules {
		rate := throttle.Rate{Count: counts[s%len(counts)], Period: periods[rnd.IntN(3)]}
		actual.start(rate)
		ideal.start(rate)
		var w throttle.Window
		caller, now := newScheduler(rnd, rate), time.Duration(0)
		it := throttle.Item{Policy: "p", Key: "k", Rate: rate}
		for range 4*rate.Count + 20 {
			now += caller.pause()
			if it.Cost = 1; rnd.IntN(8) == 0 {
				it.Cost = 1 + rnd.IntN(min(rate.Count, 4))
			}
			if w.Take(int64(now), &it, &res) {
				actual.add(now, it.Cost)
			} else if rnd.IntN(8) == 0 {
				copied := w
				if copied.Take(int64(now+res.RetryAfter)-1, &it, &again) || !copied.Take(int64(now+res.RetryAfter), &it, &again) {
					t.Fatalf("schedule %d, %v: a wait of %v is not true", s, rate, res.RetryAfter)
				}
			}
			live := actual.live(now)
			if live > rate.Count {
				t.Fatalf("schedule %d, %v: %d in one period", s, rate, live)
			}
			if ideal.live(now)+it.Cost <= rate.Count {
				ideal.add(now, it.Cost)
			}
			left := rate.Count - live
			if rate.Count <= 16 && (ideal.passed != actual.passed || res.Remaining != left) {
				t.Fatalf("schedule %d, %v: not exact up to 16", s, rate)
			}
			if res.Remaining > left {
				t.Fatalf("schedule %d, %v: promises %d of %d", s, rate, res.Remaining, left)
			}
		}
		passed[rate.Count] += actual.passed
		possible[rate.Count] += ideal.passed
	}
	for _, n := range counts {
		share := float64(passed[n]) / float64(possible[n])
		t.Logf("count %d: %.2f %% of %d", n, 100*share, possible[n])
		assert.GreaterOrEqual(t, share, 0.97, "count %d", n)
	}
}

func TestRetryAfterIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 80 {
			rate := throttle.Rate{Count: 1 + rnd.IntN(200), Period: time.Duration(1+rnd.IntN(5000)) * time.Millisecond}
			algorithm := throttle.Algorithm(rnd.IntN(2))
			m := throttle.NewMemory(1)
			it := throttle.Item{Policy: "p", Key: "k", Rate: rate, Algorithm: algorithm}
			for range 3 * rate.Count {
				time.Sleep(time.Duration(rnd.Float64() * 0.8 * float64(rate.Period) / float64(rate.Count)))
				it.Cost = 1 + rnd.IntN(min(3, rate.Count))
				ok, res := take(t, m, it)
				require.Equal(t, ok, res.RetryAfter == 0)
				if ok {
					continue
				}
				time.Sleep(res.RetryAfter - 1)
				ok, _ = take(t, m, it)
				require.False(t, ok, "%v %v: passes before its time", algorithm, rate)
				time.Sleep(time.Nanosecond)
				ok, _ = take(t, m, it)
				require.True(t, ok, "%v %v: waited in vain", algorithm, rate)
			}
			_, res := take(t, m, throttle.Item{Policy: "p", Key: "k", Rate: rate, Algorithm: algorithm})
			time.Sleep(res.ResetAfter)
			_, res = take(t, m, throttle.Item{Policy: "p", Key: "k", Rate: rate, Algorithm: algorithm})
			require.Equal(t, rate.Count, res.Remaining)
			require.Zero(t, res.ResetAfter)
		}
	})
}

// TestRefundsAndLargeCountsKeepTheLimit: whatever is given back, and however
// coarsely a count is kept, no period holds more than the count.
func TestRefundsAndLargeCountsKeepTheLimit(t *testing.T) {
	schedules := 36
	if bars() {
		schedules = 20_000
	}
	counts := []int{3, 16, 17, 40, 4095, 4096, 10_007, 1 << 20, 1<<31 - 1}
	synctest.Test(t, func(t *testing.T) {
		rnd, start := rand.New(rand.NewPCG(7, 8)), time.Now()
		for s := range schedules {
			rate := throttle.Rate{Count: counts[s%len(counts)], Period: time.Duration(1+rnd.IntN(1000)) * time.Millisecond}
			m := throttle.NewMemory(1)
			actual, ideal := &exactLog{rate: rate}, &exactLog{rate: rate}
			type taken struct {
				it     throttle.Item
				number int
			}
			var refundable []taken
			refunds := s%2 == 0
			for range 2000 {
				time.Sleep(time.Duration(rnd.ExpFloat64() * float64(rate.Period) / 100))
				if rnd.IntN(300) == 0 {
					time.Sleep(rate.Period)
				}
				it := throttle.Item{Policy: "p", Key: "k", Rate: rate, Cost: 1 + rnd.IntN(1+rate.Count/40)}
				now := time.Since(start)
				ok, res := take(t, m, it)
				if ok {
					actual.add(now, it.Cost)
					it.At = res.At
					refundable = append(refundable, taken{it, len(actual.all) - 1})
				}
				live := actual.live(now)
				if live > rate.Count || res.Remaining > rate.Count-live {
					t.Fatalf("schedule %d, %v: %d in one period, %d promised", s, rate, live, res.Remaining)
				}
				if ideal.live(now)+it.Cost <= rate.Count {
					ideal.add(now, it.Cost)
				}
				if refunds && len(refundable) > 0 && rnd.IntN(4) == 0 {
					i := rnd.IntN(len(refundable))
					if rnd.IntN(2) == 0 {
						i = len(refundable) - 1
					}
					back := refundable[i]
					refundable = append(refundable[:i], refundable[i+1:]...)
					if err := m.Give(t.Context(), []throttle.Item{back.it}); err != nil {
						t.Fatal(err)
					}
					actual.remove(back.number)
				}
			}
			if !refunds && rate.Count > 16 {
				assert.GreaterOrEqual(t, float64(actual.passed), 0.97*float64(ideal.passed), "%v", rate)
			}
		}
	})
}

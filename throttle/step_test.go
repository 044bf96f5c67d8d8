package throttle_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
)

// shelf keeps states as a store does that is not a Memory.
type shelf map[string][]byte

func (s shelf) states(items []throttle.Item) (names []string, states [][]byte) {
	for _, it := range items {
		name := it.Key + it.Algorithm.String() + it.Rate.String()
		names, states = append(names, name), append(states, s[name])
	}
	return names, states
}

func (s shelf) keep(names []string, states [][]byte) {
	for i, n := range names {
		s[n] = states[i]
	}
}

func TestAStepDecidesAsAMemoryDoes(t *testing.T) {
	t.Parallel()
	rates := []throttle.Rate{
		{Count: 1, Period: time.Second},
		{Count: 16, Period: time.Minute},
		{Count: 17, Period: time.Minute, Burst: 3},
		{Count: 300, Period: 7 * time.Second},
		{Count: 70_000, Period: time.Hour},
	}
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		memory, shelf := throttle.NewMemory(0), shelf{}
		type charge struct{ here, there throttle.Item }
		var charges []charge
		for range 20_000 {
			time.Sleep(time.Duration(rnd.IntN(1 << rnd.IntN(34))))
			var items []throttle.Item
			for _, name := range rnd.Perm(3)[:1+rnd.IntN(2)] {
				r := rates[rnd.IntN(len(rates))]
				it := throttle.Item{Policy: "p", Key: string(rune('a' + name)), Rate: r, Algorithm: throttle.Algorithm(rnd.IntN(2))}
				if it.Algorithm == throttle.SlidingWindow {
					it.Rate.Burst = 0
				}
				if it.Cost = rnd.IntN(4); rnd.IntN(20) == 0 {
					it.Cost = rnd.IntN(r.Count + 2)
				}
				items = append(items, it)
			}
			want, got := make([]throttle.Result, len(items)), make([]throttle.Result, len(items))
			allowed, err := memory.Take(t.Context(), items, want)
			require.NoError(t, err)
			names, states := shelf.states(items)
			require.Equal(t, allowed, throttle.Step(time.Now(), items, states, got))
			shelf.keep(names, states)
			for i := range items {
				here, there := items[i], items[i]
				here.At, there.At = want[i].At, got[i].At
				want[i].At, got[i].At = 0, 0
				if allowed && here.Cost > 0 {
					charges = append(charges, charge{here, there})
				}
				assert.LessOrEqual(t, len(states[i]), 128)
			}
			require.Equal(t, want, got)

			if len(charges) > 0 && rnd.IntN(3) == 0 {
				c := charges[len(charges)-1-rnd.IntN(min(len(charges), 3))]
				require.NoError(t, memory.Give(t.Context(), []throttle.Item{c.here}))
				back := []throttle.Item{c.there}
				names, states := shelf.states(back)
				throttle.StepBack(time.Now(), back, states)
				shelf.keep(names, states)
			}
		}
	})
}

func TestAClockThatIsSetBackMakesNobodyWaitLongerThanAnEmptyBucketDoes(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, a := range throttle.Algorithms() {
		for _, count := range []int{3, 16, 17, 5000} {
			items := []throttle.Item{{Policy: "p", Key: "k", Rate: throttle.Rate{Count: count, Period: time.Hour}, Algorithm: a, Cost: 1}}
			states, out := make([][]byte, 1), make([]throttle.Result, 1)
			for range count {
				require.True(t, throttle.Step(now.AddDate(1, 0, 0), items, states, out))
			}
			items[0].Cost = count
			require.False(t, throttle.Step(now, items, states, out), "what was charged counts")
			assert.Greater(t, out[0].RetryAfter, time.Duration(0))
			assert.LessOrEqual(t, out[0].RetryAfter, time.Hour+time.Second)
			assert.True(t, throttle.Step(now.Add(out[0].RetryAfter), items, states, out), "%v %d", a, count)
		}
	}
}

func TestAStateThatIsGarbledIsAState(t *testing.T) {
	now := time.Now()
	for _, a := range append(throttle.Algorithms(), 99) {
		for _, state := range [][]byte{nil, {1}, make([]byte, 7), make([]byte, 500)} {
			items := []throttle.Item{{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 20, Period: time.Hour}, Algorithm: a, Cost: 20}}
			out := make([]throttle.Result, 1)
			assert.True(t, throttle.Step(now, items, [][]byte{state}, out), "it is full")
		}
	}
}

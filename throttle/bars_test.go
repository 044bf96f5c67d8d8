package throttle_test

import (
	"encoding/binary"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/throttle"
)

// TestMemoryHasABoundThatNoFloodMoves fills a table for a million keys, and then
// sends ten times as many that are all new.
func TestMemoryHasABoundThatNoFloodMoves(t *testing.T) {
	keys := uint64(2_000)
	if bars() {
		keys = 1_000_000
	}
	for a, most := range map[throttle.Algorithm]float64{throttle.TokenBucket: 40, throttle.SlidingWindow: 160} {
		t.Run(a.String(), func(t *testing.T) {
			ctx := t.Context()
			before := heap()
			m := throttle.NewMemory(int(keys))
			items := []throttle.Item{{Policy: "p", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Algorithm: a, Cost: 1}}
			out := make([]throttle.Result, 1)
			key := make([]byte, 8)
			charge := func(from, to uint64) {
				for n := from; n < to; n++ {
					items[0].Key = string(binary.LittleEndian.AppendUint64(key[:0], n))
					if _, err := m.Take(ctx, items, out); err != nil {
						t.Fatal(err)
					}
				}
			}
			charge(0, keys)
			full := float64(int64(heap()-before)) / float64(keys)
			charge(keys, 11*keys)
			flooded := float64(int64(heap()-before)) / float64(keys)
			t.Logf("%.1f B a key, %.1f B after the flood", full, flooded)
			if bars() { // small tables are rounded up
				assert.LessOrEqual(t, full, most)
			}
			assert.InDelta(t, 0, (flooded-full)*float64(keys), 64<<10, "bytes more, of what the rest of the process does, too")
			_, _ = m.Take(t.Context(), items, out)
		})
	}
}

// TestTheGarbageCollectorHasNothingToFollow: however many keys a Memory holds,
// what a collection has to look through does not grow. BenchmarkCollection shows
// what that means in time.
func TestTheGarbageCollectorHasNothingToFollow(t *testing.T) {
	algorithms(t, func(t *testing.T, a throttle.Algorithm) {
		const keys = 20_000
		before := scanned()
		m := fullMemory(t, a, keys)
		assert.Less(t, scanned()-before, int64(128<<10), "bytes more, of what the rest of the process does, too")
		runtime.KeepAlive(m)
	})
}

// fullMemory returns a Memory that holds that many keys.
func fullMemory(tb testing.TB, a throttle.Algorithm, keys int) *throttle.Memory {
	tb.Helper()
	m := throttle.NewMemory(keys)
	items := []throttle.Item{{Policy: "p", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Algorithm: a, Cost: 1}}
	out := make([]throttle.Result, 1)
	for i := range keys {
		items[0].Key = strconv.Itoa(i)
		if _, err := m.Take(tb.Context(), items, out); err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

// scanned returns how many bytes of heap the collector looks through.
func scanned() int64 {
	runtime.GC()
	return int64(sample("/gc/scan/heap:bytes").Uint64())
}

func sample(metric string) metrics.Value {
	s := []metrics.Sample{{Name: metric}}
	metrics.Read(s)
	return s[0].Value
}

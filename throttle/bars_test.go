package throttle_test

import (
	"encoding/binary"
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

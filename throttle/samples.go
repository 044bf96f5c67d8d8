package throttle

import (
	"cmp"
	"strings"

	"github.com/ecolaura/rampart"
)

// Samples yields, by the names of the Limiter's policies, how full its [Memory] is, and
// whether the store that it has in place of one does not respond. It looks at every slot
// of the Memory, a shard at a time. The zero Limiter has none.
func (l *Limiter) Samples(yield func(rampart.Sample) bool) {
	c := l.current.Load()
	if c == nil {
		return
	}
	var names []string
	for _, p := range c.policies {
		names = append(names, p.Name)
	}
	labels := map[string]string{"limiter": strings.Join(names, ",")}
	b := c.backend
	if m := cmp.Or(b.memory, b.local); m != nil && !yield(rampart.Sample{
		Name: "rampart_throttle_fill_ratio", Help: "Share of a limiter's table that callers take up. At 1, newcomers share a bucket.", Labels: labels, Value: m.fill(),
	}) || b.memory != nil {
		return
	}
	down := b.down.Load()
	if s, ok := b.store.(interface{ CircuitOpen() bool }); ok { // it reports outages itself
		down = s.CircuitOpen()
	}
	value := 0.0
	if down {
		value = 1
	}
	yield(rampart.Sample{Name: "rampart_throttle_store_down", Help: "1 while the store of a limiter does not respond and its outage policy holds.", Labels: labels, Value: value})
}

// fill returns the share of the slots that is in use, of the algorithm that has most.
func (m *Memory) fill() (most float64) {
	now := m.now()
	for _, k := range m.keepers {
		used, slots := 0, 0
		for i := range m.shards {
			m.shards[i].Lock()
			u, n := k.fill(i, now)
			m.shards[i].Unlock()
			used, slots = used+u, slots+n
		}
		most = max(most, float64(used)/float64(max(slots, 1)))
	}
	return most
}

// fill counts the slots of a shard, and those in use.
func (k *keeperOf[S, P]) fill(shard int, now moment) (used, slots int) {
	rows := k.tables[shard].rows
	for i := range rows {
		for j := range rows[i].slots {
			if P(&rows[i].slots[j]).used(now) > 0 {
				used++
			}
		}
	}
	return used, (k.slots + rowSize - 1) / rowSize * rowSize
}

package monitor

import (
	"maps"
	"slices"
	"sync"
	"weak"

	"github.com/ecolaura/rampart"
)

// reporters are those with a record pending, now or before. A layer that is gone
// is not kept alive by them.
type reporters struct {
	mu  sync.Mutex
	all map[weak.Pointer[rampart.Reporter]]bool
}

func (rs *reporters) add(rp *rampart.Reporter) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	key := weak.Make(rp)
	if rs.all[key] {
		return
	}
	maps.DeleteFunc(rs.all, func(p weak.Pointer[rampart.Reporter], _ bool) bool { return p.Value() == nil })
	if rs.all == nil {
		rs.all = make(map[weak.Pointer[rampart.Reporter]]bool)
	}
	rs.all[key] = true
}

func (rs *reporters) flush() {
	rs.mu.Lock()
	all := slices.Collect(maps.Keys(rs.all))
	rs.mu.Unlock()
	for _, p := range all {
		p.Value().Flush() // a nil Reporter has nothing
	}
}

// Hold makes m flush rp at its end: rp has a record pending. A [rampart.Reporter]
// whose handler is m calls it by itself. It does not keep rp alive.
func (m *Monitor) Hold(rp *rampart.Reporter) {
	if m.monitor != nil {
		m.holding.add(rp)
	}
}

// Flush makes every [rampart.Reporter] that writes through m write what it holds back
// for its second, so that a process that ends, or that is frozen between calls,
// loses no count. [Monitor.Close] does it too.
func (m *Monitor) Flush() {
	if m.monitor != nil {
		m.holding.flush()
	}
}

package console

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// A kind is what those who are refused are counted by.
type kind struct {
	name string
	of   func(Event) string
}

// kinds are the tabs of Who.
var kinds = [...]kind{ //nolint:gochecknoglobals // read-only
	{"address", func(e Event) string { return e.Address }},
	{"subject", func(e Event) string { return e.Subject }},
	{"key", func(e Event) string { return e.Key }},
	{"origin", func(e Event) string { return e.Origin }},
}

// Bounds of what is kept of those who are refused.
const (
	maxNames   = 1000 // of a kind
	maxReasons = 16   // of a name
)

// A Refused is somebody whose requests are refused.
type Refused struct {
	Name    string    `json:"name"`             // an address, subject, key ID or origin
	Count   int64     `json:"refused"`          // since the instance started
	Share   float64   `json:"share"`            // of all refusals of that kind, 0 to 1
	Reasons []string  `json:"reasons"`          // the three that come most
	Last    time.Time `json:"last"`             // when the last one was
	State   string    `json:"state,omitempty"`  // what is in force, such as "blocked until 15:04:05"
	Prefix  string    `json:"prefix,omitempty"` // the block that is in force
}

type tally struct {
	count   int64
	last    time.Time
	reasons map[string]int64
}

// tallies counts refusals by name. Where there is no room, the least of a few that are
// looked at goes: a flood of new names does not push out the one that matters.
type tallies struct {
	all   int64
	names map[string]*tally
}

func (t *tallies) add(name string, e Event) {
	if name == "" {
		return
	}
	t.all += e.Count
	if t.names == nil {
		t.names = map[string]*tally{}
	}
	n := t.names[name]
	if n == nil {
		if len(t.names) >= maxNames {
			t.dropOne()
		}
		n = &tally{reasons: map[string]int64{}}
		t.names[name] = n
	}
	n.count += e.Count
	n.last = e.At
	reason := cmp.Or(e.Reason, e.Event)
	if _, known := n.reasons[reason]; !known && len(n.reasons) >= maxReasons {
		reason = "other"
	}
	n.reasons[reason] += e.Count
}

func (t *tallies) dropOne() {
	least, seen := "", 0
	for name, n := range t.names { // begins somewhere else each time
		if seen == 0 || n.count < t.names[least].count {
			least = name
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(t.names, least)
}

// Who returns at most limit of those who are refused most; by is "address", "subject",
// "key" or "origin", and of any other kind there are none.
func (r *Recorder) Who(by string, limit int) []Refused {
	i := slices.IndexFunc(kinds[:], func(k kind) bool { return k.name == by })
	list := []Refused{}
	if i < 0 {
		return list
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.who[i]
	for name, n := range t.names {
		list = append(list, Refused{Name: name, Count: n.count, Share: float64(n.count) / float64(t.all), Reasons: top(n.reasons), Last: n.last})
	}
	slices.SortFunc(list, func(a, b Refused) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return list[:min(limit, len(list))]
}

// within returns how many of the addresses that were refused a prefix holds, and their
// refusals.
func (r *Recorder) within(p netip.Prefix) (names int, refused int64) {
	for _, one := range r.Who("address", maxNames) {
		if addr, err := netip.ParseAddr(one.Name); err == nil && p.Contains(addr.Unmap()) {
			names++
			refused += one.Count
		}
	}
	return names, refused
}

// top returns the three most frequent reasons.
func top(reasons map[string]int64) []string {
	names := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(reasons[b], reasons[a]), cmp.Compare(a, b))
	})
	return names[:min(3, len(names))]
}

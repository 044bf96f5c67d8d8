package monitor

import (
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logline"
)

// Bounds of the counts, whatever is logged: event names, combinations of label
// values for each name, bytes of a label value.
const (
	maxEventNames = 128
	maxSeries     = 64
	maxLabelValue = 64
	otherLabel    = "other"
)

// counts holds the number of events by name and labels. The Monitor's lock
// guards it.
type counts struct {
	labels []string
	events map[rampart.Event]map[string]int64 // by the values of labels, each with a NUL behind it
	buf    []byte
}

func newCounts(labels []string) counts {
	return counts{labels: slices.Clone(labels), events: make(map[rampart.Event]map[string]int64)}
}

// add counts o. In the end the series add up to the number of events.
func (c *counts) add(o Occurrence) {
	o.Event = rampart.Event(logline.Escape(string(o.Event), maxLabelValue))
	series := c.events[o.Event]
	if series == nil {
		if len(c.events) >= maxEventNames {
			o.Event = otherLabel
		}
		if series = c.events[o.Event]; series == nil {
			series = make(map[string]int64)
			c.events[o.Event] = series
		}
	}
	c.buf = c.buf[:0]
	for _, name := range c.labels { // a NUL is escaped
		c.buf = append(append(c.buf, logline.Escape(o.text(name), maxLabelValue)...), 0)
	}
	if _, known := series[string(c.buf)]; !known && len(series) >= maxSeries {
		c.buf = c.buf[:0]
		for range c.labels {
			c.buf = append(c.buf, otherLabel+"\x00"...)
		}
	}
	series[string(c.buf)] += o.Count
}

// Samples yields what the Monitor has counted: the events, and of each rule how often
// it has fired and what it follows. A zero Monitor has none.
func (m *Monitor) Samples(yield func(rampart.Sample) bool) {
	if m.monitor == nil {
		return
	}
	for _, s := range m.samples() { // yield may take long
		if !yield(s) {
			return
		}
	}
}

func (m *monitor) samples() (all []rampart.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for event, series := range m.counts.events {
		for values, n := range series {
			labels := map[string]string{"event": string(event)}
			for i, value := range strings.Split(values, "\x00")[:len(m.counts.labels)] {
				if value != "" { // the same as none
					labels[m.counts.labels[i]] = value
				}
			}
			all = append(all, rampart.Sample{Name: "rampart_events_total", Help: "Security events.", Labels: labels, Value: float64(n)})
		}
	}
	for _, r := range m.rules {
		if m.alert == nil { // nobody else forgets them
			r.resolve(time.Now(), func(Alert) bool { return true })
		}
		labels := map[string]string{"rule": logline.Escape(r.Name, maxLabelValue)}
		for _, s := range [...]rampart.Sample{
			{Name: "rampart_alerts_total", Help: "How often a rule has fired.", Value: float64(r.fired)},
			{Name: "rampart_alerts_dropped_total", Help: "Alerts that were logged only: the alert function was too slow.", Value: float64(r.dropped)},
			{Name: "rampart_alerts_failed_total", Help: "Alerts whose function returned an error.", Value: float64(r.failed)},
			{Name: "rampart_alerts_firing", Help: "Alerts of a rule that are not resolved.", Value: float64(r.unresolved(time.Now()))},
			{Name: "rampart_alert_keys", Help: "Keys that a rule follows.", Value: float64(len(r.tallies))},
			{Name: "rampart_alert_keys_evicted_total", Help: "Keys that a rule forgot before their window had passed, for lack of room.", Value: float64(r.evicted)},
		} {
			s.Labels = labels
			all = append(all, s)
		}
	}
	return append(all, rampart.Sample{Name: "rampart_alert_panics_total", Help: "Panics of alert functions and of rules' own functions.", Value: float64(m.panics)})
}

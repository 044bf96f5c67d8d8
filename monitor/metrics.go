package monitor

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logline"
)

// Bounds of the metrics, whatever is logged: event names, combinations of label
// values for each name, bytes of a label value.
const (
	maxEventNames = 128
	maxSeries     = 32
	maxLabelValue = 64
	otherLabel    = "other"
)

// counts holds the number of events by name and labels. The Monitor's lock
// guards it.
type counts struct {
	labels []string
	events map[rampart.Event]map[string]int64 // by rendered labels
	buf    []byte
}

func newCounts(labels []string) counts {
	return counts{labels: slices.Clone(labels), events: make(map[rampart.Event]map[string]int64)}
}

// add counts o. In the end the series add up to the number of events.
func (c *counts) add(o Occurrence) {
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
	for _, name := range c.labels {
		c.buf = appendLabel(c.buf, name, logline.Escape(o.text(name), maxLabelValue))
	}
	if _, known := series[string(c.buf)]; !known && len(series) >= maxSeries {
		c.buf = c.buf[:0]
		for _, name := range c.labels {
			c.buf = appendLabel(c.buf, name, otherLabel)
		}
	}
	series[string(c.buf)] += o.Count
}

// appendLabel appends `,name="value"`, escaped as the text format wants it:
// backslash, quote and line feed.
func appendLabel(b []byte, name, value string) []byte {
	if value == "" {
		return b // an empty label is the same as none
	}
	b = append(append(append(b, ','), name...), `="`...)
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\', '"':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// Metrics answers with the counters in Prometheus' text format (version 0.0.4):
// rampart_events_total by event and labels, rampart_alerts_total,
// rampart_alerts_dropped_total, rampart_alert_keys and
// rampart_alert_keys_evicted_total by rule, rampart_alert_panics_total. They
// say much about a service: keep strangers out with a layer in front.
func (m *Monitor) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.monitor == nil {
			(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "not_configured"}).Write(w)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			(&rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"}).Write(w)
			return
		}
		body := m.render()
		h := w.Header()
		h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(body)) // the scraper is gone if this fails
		}
	})
}

func (m *monitor) render() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	line := func(name, labels string, n int64) {
		b.WriteString(name)
		if labels != "" {
			b.WriteString("{" + labels + "}")
		}
		b.WriteString(" " + strconv.FormatInt(n, 10) + "\n")
	}
	head := func(name, kind, help string) {
		b.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
	}
	label := func(name, value string) string {
		return strings.TrimPrefix(string(appendLabel(nil, name, logline.Escape(value, maxLabelValue))), ",")
	}
	head("rampart_events_total", "counter", "Security events.")
	for _, event := range slices.Sorted(maps.Keys(m.counts.events)) {
		series := m.counts.events[event]
		for _, labels := range slices.Sorted(maps.Keys(series)) {
			line("rampart_events_total", label("event", string(event))+labels, series[labels])
		}
	}
	for _, metric := range []struct {
		name, kind, help string
		value            func(*ruleState) int
	}{
		{"rampart_alerts_total", "counter", "How often a rule has fired.", func(r *ruleState) int { return r.fired }},
		{"rampart_alerts_dropped_total", "counter", "Alerts that were logged only: the alert function was too slow.", func(r *ruleState) int { return r.dropped }},
		{"rampart_alert_keys", "gauge", "Keys that a rule follows.", func(r *ruleState) int { return len(r.tallies) }},
		{"rampart_alert_keys_evicted_total", "counter", "Keys that a rule forgot before their window had passed, for lack of room.", func(r *ruleState) int { return r.evicted }},
	} {
		if len(m.rules) > 0 {
			head(metric.name, metric.kind, metric.help)
		}
		for _, r := range m.rules {
			line(metric.name, label("rule", r.Name), int64(metric.value(r)))
		}
	}
	head("rampart_alert_panics_total", "counter", "Panics of alert functions and of rules' own functions.")
	line("rampart_alert_panics_total", "", int64(m.panics))
	return b.String()
}

package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// closeGrace is how long Close lets an alert function work on what is queued.
const closeGrace = 5 * time.Second

// ErrAlertStuck is what [Monitor.Close] returns if the alert function did not
// return; its goroutine is then left behind.
var ErrAlertStuck = errors.New("monitor: the alert function does not return")

// Config configures a [Monitor].
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Handler is where every record goes on to. Required; never
	// slog.Default().Handler() if the Monitor becomes the default itself.
	Handler slog.Handler

	// Rules say when to call Alert.
	Rules []Rule

	// Alert is called when a rule fires, and again when the alert is resolved, such
	// as that of a [Webhook]: one call at a time, on a goroutine of the Monitor's, so
	// that it delays no request. While it works, 64 alerts wait; further ones are only
	// logged and counted as dropped. An error is logged and counted, a panic caught
	// and counted. ctx ends with the Monitor. Nil: an alert is only a record in the
	// log (the event sys_alert) and a number in the metrics.
	Alert func(ctx context.Context, a Alert) error

	// Labels names the attributes that become labels of the metric
	// rampart_events_total beside the event's name; nil means "layer", "reason" and
	// "policy". Each event has 64 combinations of values at most; what comes
	// later is counted under "other".
	Labels []string
}

// A Monitor is a [slog.Handler] that passes every record on, and counts the
// security events among them: for a metrics system ([Monitor.Samples]), and by
// rules that call for a human ([Rule]). A record counts as an event if its
// attribute "event" equals its message, as [rampart.Reporter] writes it; where it has a
// "count", for that many.
//
// It sees what reaches the log. An event that the Reporter had no room for is
// in its name's overflow record, without a client: a rule by client does not
// see it, a rule without a Key does. Have one of each.
//
// Levels from INFO up are counted even where Handler does not want them. What
// the layers' Reporters hold back for folding is written by [Monitor.Flush], as
// long as their Logger's handler is the Monitor itself.
//
// A Monitor is safe for concurrent use; its memory is bounded. The zero value
// drops every record. Create one with [New], and end it with
// [Monitor.Close].
type Monitor struct {
	*monitor
	next slog.Handler
}

// monitor is what a Monitor shares with the handlers derived from it.
type monitor struct {
	alert  func(context.Context, Alert) error
	queue  chan Alert
	stop   chan struct{}
	ended  chan struct{}
	cancel context.CancelFunc
	once   sync.Once

	mu     sync.Mutex
	counts counts
	rules  []*ruleState
	panics int

	holding reporters
}

// New returns a Monitor for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined. It starts one goroutine if cfg has an Alert function.
func New(cfg Config) (*Monitor, error) {
	bad := conferr.For("monitor.Config")
	bad.If(cfg.Handler == nil, "Handler", rampart.ReasonMissing, nil, "give the slog.Handler that writes the log")
	bad.If(cfg.Alert != nil && len(cfg.Rules) == 0, "Alert", rampart.ReasonPointless, nil, "no rule raises an alert; add Rules, or leave Alert nil")
	names := map[string]bool{}
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		at := fmt.Sprintf("Rules[%d].", i)
		bad.If(r.Name == "", at+"Name", rampart.ReasonMissing, nil, "give each rule a name for its alerts")
		bad.If(r.Name != "" && names[r.Name], at+"Name", rampart.ReasonDuplicate, r.Name, "give each rule a name of its own")
		names[r.Name] = true
		bad.If(r.Threshold < 1, at+"Threshold", rampart.ReasonInvalid, r.Threshold, "use 1 event or more")
		bad.If(r.Window < time.Second || r.Window > 24*time.Hour, at+"Window", rampart.ReasonInvalid, r.Window, "use 1s to 24h")
	}
	labels := cfg.Labels
	if labels == nil {
		labels = []string{"layer", "reason", "policy"}
	}
	for i, name := range labels {
		bad.If(!validLabel(name) || name == "event", "Labels", rampart.ReasonInvalid, name, `a label is letters, digits and underscores, such as "reason", does not begin with a digit or "__", and is not "event"`)
		bad.If(slices.Contains(labels[:i], name), "Labels", rampart.ReasonDuplicate, name, conferr.WantOnce)
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	m := &monitor{alert: cfg.Alert, counts: newCounts(labels)}
	for i := range cfg.Rules {
		m.rules = append(m.rules, newRuleState(&cfg.Rules[i]))
	}
	if cfg.Alert != nil {
		m.start(cfg.Handler)
	}
	return &Monitor{m, cfg.Handler}, nil
}

// validLabel reports whether name may be a Prometheus label, [a-zA-Z_][a-zA-Z0-9_]*
// without the reserved "__" in front.
func validLabel(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return name != "" && strings.Trim(name, letters+"0123456789") == "" &&
		strings.Contains(letters, name[:1]) && !strings.HasPrefix(name, "__")
}

// Enabled implements [slog.Handler].
func (m *Monitor) Enabled(ctx context.Context, level slog.Level) bool {
	return m.monitor != nil && (level >= slog.LevelInfo || m.next.Enabled(ctx, level))
}

// Handle implements [slog.Handler]. The rules' own functions run here.
func (m *Monitor) Handle(ctx context.Context, rec slog.Record) error {
	if m.monitor == nil {
		return nil
	}
	var fired []Alert
	if o, ok := occurrenceOf(rec); ok {
		fired = m.observe(o)
	}
	var errs []error
	if m.next.Enabled(ctx, rec.Level) {
		errs = append(errs, m.next.Handle(ctx, rec))
	}
	for _, a := range fired {
		if m.next.Enabled(ctx, rampart.SysAlert.Level()) {
			errs = append(errs, m.next.Handle(ctx, a.record()))
		}
	}
	return errors.Join(errs...)
}

// WithAttrs implements [slog.Handler].
func (m *Monitor) WithAttrs(attrs []slog.Attr) slog.Handler {
	if m.monitor == nil {
		return m
	}
	return &Monitor{m.monitor, m.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler]. An event counts whatever group its
// attributes are written in.
func (m *Monitor) WithGroup(name string) slog.Handler {
	if m.monitor == nil {
		return m
	}
	return &Monitor{m.monitor, m.next.WithGroup(name)}
}

// observe counts o and returns the alerts that it sets off. The rules' own
// functions run before the lock is taken, so that a slow one holds up nobody else.
func (m *monitor) observe(o Occurrence) (fired []Alert) {
	var buf [8]verdict
	verdicts := buf[:0]
	for _, r := range m.rules {
		verdicts = append(verdicts, r.applies(o))
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.add(o)
	for i, r := range m.rules {
		if verdicts[i].panicked {
			m.panics++
		}
		if !verdicts[i].counts {
			continue
		}
		a, fires := r.count(verdicts[i].key, o, now)
		if !fires {
			continue
		}
		fired = append(fired, a)
		m.counts.add(Occurrence{Event: rampart.SysAlert, Count: 1, rec: a.record()})
		if m.alert != nil {
			select {
			case m.queue <- a:
			default:
				r.dropped++
			}
		}
	}
	return fired
}

package monitor

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logline"
)

// maxTallies is how many keys one rule follows at a time.
const maxTallies = 10_000

// An Occurrence is one record of a security event, as a rule sees it.
type Occurrence struct {
	Event rampart.Event // its name
	Count int64         // how many events the record stands for, at least 1
	rec   slog.Record
}

// Attr returns the record's attribute of that name; false if it has none.
// Attributes of the logger itself ([slog.Logger.With]) are not seen.
func (o Occurrence) Attr(name string) (value slog.Value, ok bool) {
	o.rec.Attrs(func(a slog.Attr) bool {
		if a.Key == name {
			value, ok = a.Value.Resolve(), true
		}
		return !ok
	})
	return value, ok
}

// text returns an attribute as text, "" if there is none.
func (o Occurrence) text(name string) string {
	if v, ok := o.Attr(name); ok {
		return v.String()
	}
	return ""
}

// maxCount keeps a foreign record from making sums overflow.
const maxCount = 1 << 40

// occurrenceOf reads a record; false if it is no security event.
func occurrenceOf(rec slog.Record) (Occurrence, bool) {
	o := Occurrence{Count: 1, rec: rec}
	rec.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "event" && a.Value.Kind() == slog.KindString && o.Event == "":
			o.Event = rampart.Event(a.Value.String())
		case a.Key == "count" && a.Value.Kind() == slog.KindInt64:
			o.Count = min(max(a.Value.Int64(), 1), maxCount)
			return false
		}
		return true
	})
	return o, o.Event != "" && string(o.Event) == rec.Message
}

// A Rule fires when events of one key reach a number within a window.
// Its functions run where the event is logged, within the request: they must be
// fast and not log. If one panics, the event does not count for the rule.
type Rule struct {
	Name   string          // required, unique: in the alert, the log and the metrics
	Events []rampart.Event // those that count; none means all

	// Match, if set, has to agree: a rule of your own. It sees each record of
	// Events.
	Match func(o Occurrence) bool

	// Key says what an event is counted under: [ByAddress], [BySubject],
	// [ByKeyID], or a function of your own. "" leaves the event out. Nil
	// counts all together.
	Key func(o Occurrence) string

	// Threshold is how many events set the rule off, 1 or more.
	Threshold int64

	// Window is the time within which, 1 s to 24 h. It slides; an event may
	// count for up to 1/15 longer. After an alert the rule is silent for one
	// Window about that key.
	Window time.Duration
}

// ByAddress is a Key of a [Rule]: the client's address, of IPv6 its /64,
// which is what one customer has.
func ByAddress(o Occurrence) string {
	text := o.text("client_ip")
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Is4() {
		return text
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return text
	}
	return p.String()
}

// BySubject is a Key of a [Rule]: whose token it is.
func BySubject(o Occurrence) string { return o.text("subject") }

// ByKeyID is a Key of a [Rule]: which API key it is.
func ByKeyID(o Occurrence) string { return o.text("key_id") }

// An Alert says that a rule has fired.
type Alert struct {
	Rule   string        // its name
	Key    string        // what the events were counted under; "" if all together
	Count  int64         // events of this key in the window, Threshold or more
	Window time.Duration // the rule's
	Event  rampart.Event // the last of them; "" of one that is resolved
	At     time.Time     // when the last of them was logged, or when it was resolved

	// Resolved says that the alert is over: fewer events than Threshold are left in
	// the window. It comes once, a second late at most.
	Resolved bool
}

// record is the alert's line in the log.
func (a Alert) record() slog.Record {
	rec := slog.NewRecord(a.At, rampart.SysAlert.Level(), string(rampart.SysAlert), 0)
	rec.AddAttrs(slog.String("event", string(rampart.SysAlert)), slog.String("rule", a.Rule), rampart.Text("key", a.Key),
		slog.Int64("total", a.Count), slog.Duration("window", a.Window), rampart.Text("last", string(a.Event)),
		slog.Bool("resolved", a.Resolved), slog.String("layer", "monitor"))
	return rec
}

// ruleState is a rule with what it has counted. The Monitor's lock guards it.
type ruleState struct {
	Rule
	width   time.Duration // of one slot of a tally
	began   time.Time
	tallies map[string]*tally
	firing  map[string]*tally // those of alerts that are not resolved
	swept   time.Time
	evicted int // keys forgotten before their time
	fired   int
	dropped int // alerts that found the queue full
	failed  int // alerts whose function returned an error
}

func newRuleState(r *Rule) *ruleState {
	rs := &ruleState{Rule: *r, width: r.Window / (tallySlots - 1), began: time.Now(), tallies: make(map[string]*tally), firing: make(map[string]*tally)}
	rs.Events = slices.Clone(r.Events)
	return rs
}

// verdict reports whether an event counts for a rule, and under which key.
type verdict struct {
	key      string
	counts   bool
	panicked bool
}

// applies asks the rule about o. It reads only what never changes.
func (r *ruleState) applies(o Occurrence) (v verdict) {
	defer func() {
		if recover() != nil {
			v = verdict{panicked: true}
		}
	}()
	if len(r.Events) > 0 && !slices.Contains(r.Events, o.Event) || r.Match != nil && !r.Match(o) {
		return verdict{}
	}
	if r.Key == nil {
		return verdict{counts: true}
	}
	key := logline.Escape(r.Key(o), 256)
	return verdict{key: key, counts: key != ""}
}

// count counts o under key and reports whether that sets the rule off.
func (r *ruleState) count(key string, o Occurrence, now time.Time) (Alert, bool) {
	slot := r.slot(now)
	t := r.tallies[key]
	if t == nil {
		r.makeRoom(now, slot)
		t = &tally{slot: slot}
		r.tallies[key] = t
	}
	n := t.add(slot, o.Count)
	if n < r.Threshold || now.Before(t.quiet) {
		return Alert{}, false
	}
	t.quiet = now.Add(r.Window)
	r.fired++
	if len(r.firing) < maxTallies {
		r.firing[key] = t
	}
	return Alert{Rule: r.Name, Key: key, Count: n, Window: r.Window, Event: o.Event, At: now}, true
}

func (r *ruleState) slot(now time.Time) int64 { return int64(now.Sub(r.began) / r.width) }

// resolve hands take the alerts that are over. One that it does not take comes again.
func (r *ruleState) resolve(now time.Time, take func(Alert) bool) {
	for key, t := range r.firing {
		n := t.at(r.slot(now))
		if n < r.Threshold && take(Alert{Rule: r.Name, Key: key, Count: n, Window: r.Window, At: now, Resolved: true}) {
			delete(r.firing, key)
		}
	}
}

// unresolved counts the alerts that are not over.
func (r *ruleState) unresolved(now time.Time) (n int) {
	for _, t := range r.firing {
		if t.at(r.slot(now)) >= r.Threshold {
			n++
		}
	}
	return n
}

// makeRoom keeps the number of keys within bounds: it forgets those whose window
// has passed, and if that is not enough the smallest of a few, so that a flood
// of new keys does not push out the one that matters.
func (r *ruleState) makeRoom(now time.Time, slot int64) {
	if len(r.tallies) < maxTallies {
		return
	}
	if now.Sub(r.swept) >= time.Second {
		r.swept = now
		for key, t := range r.tallies {
			if t.at(slot) == 0 && !now.Before(t.quiet) {
				delete(r.tallies, key)
			}
		}
	}
	if len(r.tallies) < maxTallies {
		return
	}
	least, seen := "", 0
	for key, t := range r.tallies { // begins somewhere else each time
		// A key that has fired stays, or it would fire twice in its window.
		if seen == 0 || t.rank(now) < r.tallies[least].rank(now) {
			least = key
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(r.tallies, least)
	r.evicted++
}

// tallySlots is how many parts a window is counted in, plus the current one.
const tallySlots = 16

// tally counts the events of one key.
type tally struct {
	slots [tallySlots]int64
	slot  int64 // the newest
	sum   int64
	quiet time.Time // no alert before
}

// at moves the tally on to slot and returns its sum.
func (t *tally) at(slot int64) int64 {
	for t.slot < slot {
		if slot-t.slot >= tallySlots {
			t.slots, t.sum, t.slot = [tallySlots]int64{}, 0, slot
			break
		}
		t.slot++
		i := t.slot % tallySlots
		t.sum -= t.slots[i]
		t.slots[i] = 0
	}
	return t.sum
}

// add counts n more and returns the sum.
func (t *tally) add(slot int64, n int64) int64 {
	t.at(slot)
	t.slots[t.slot%tallySlots] += n
	t.sum += n
	return t.sum
}

// rank says how much is lost with a tally.
func (t *tally) rank(now time.Time) int64 {
	if now.Before(t.quiet) {
		return t.sum + maxCount
	}
	return t.sum
}

package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
)

// Bounds of what a Recorder keeps, whatever is logged.
const (
	maxEvents = 2000
	maxText   = 256 // bytes of a text
	maxAlerts = 100
)

// An Event is a security event as the console shows it.
type Event struct {
	Seq     uint64    `json:"seq"`               // counts the records of this process from 1
	At      time.Time `json:"at"`                // when it was logged
	Event   string    `json:"event"`             // its name, such as "authz_fail"
	Layer   string    `json:"layer"`             // headers, cors, block, limit, credential, input, operator or system
	Reason  string    `json:"reason,omitempty"`  // why a layer refused; of an alert its rule
	Address string    `json:"address,omitempty"` // the client's
	Subject string    `json:"subject,omitempty"` // of a token, or the actor of an order
	Key     string    `json:"key,omitempty"`     // of an API key, its ID
	Origin  string    `json:"origin,omitempty"`  // of the page that asked
	Route   string    `json:"route,omitempty"`   // method and path
	Request string    `json:"request,omitempty"` // the request's ID
	Note    string    `json:"note,omitempty"`    // what else the record says, an operator's note for one
	Count   int64     `json:"count"`             // how many events the record stands for
}

// Who returns the most telling name that the event has: subject, key, origin, address.
func (e Event) Who() string { return cmp.Or(e.Subject, e.Key, e.Origin, e.Address) }

// An Alert is a rule of package monitor that has fired.
type Alert struct {
	Rule  string    `json:"rule"`          // its name
	Key   string    `json:"key,omitempty"` // what it was counted under
	Since time.Time `json:"since"`         // when it first fired
	Last  time.Time `json:"last"`          // when it last did
	Count int64     `json:"count"`         // the events of its last window
	Fired int       `json:"fired"`         // how often it has fired since
}

// openFor is how long an alert is open after it last fired.
const openFor = time.Hour

// A Recorder is a [slog.Handler] that passes every record on and keeps, in bounded
// memory, what a [Console] shows of the security events among them: the newest 2000, who
// is refused, and the last hour by the minute. It is safe for concurrent use. Create one
// with [NewRecorder].
type Recorder struct {
	*recorder
	next slog.Handler
	with []slog.Attr
}

type recorder struct {
	id      string
	started time.Time

	mu      sync.Mutex
	seq     uint64
	ring    [maxEvents]Event
	alerts  []Alert
	traffic traffic
	who     [len(kinds)]tallies
}

// NewRecorder returns a Recorder that passes records on to next.
func NewRecorder(next slog.Handler) *Recorder {
	return &Recorder{recorder: &recorder{id: rand.Text(), started: time.Now()}, next: next}
}

// Enabled implements [slog.Handler]. Events from INFO up are kept even where the next
// handler does not want them.
func (r *Recorder) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || r.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (r *Recorder) Handle(ctx context.Context, rec slog.Record) error {
	if e, ok := eventOf(rec, r.with); ok {
		r.add(e, rec)
	}
	if !r.next.Enabled(ctx, rec.Level) {
		return nil
	}
	return r.next.Handle(ctx, rec)
}

// WithAttrs implements [slog.Handler].
func (r *Recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Recorder{r.recorder, r.next.WithAttrs(attrs), slices.Concat(r.with, attrs)}
}

// WithGroup implements [slog.Handler].
func (r *Recorder) WithGroup(name string) slog.Handler {
	return &Recorder{r.recorder, r.next.WithGroup(name), r.with}
}

// eventOf reads a record; false if it is no security event, as package monitor tells
// them: the attribute "event" equals the message.
func eventOf(rec slog.Record, with []slog.Attr) (e Event, ok bool) {
	e = Event{At: rec.Time.UTC(), Event: rec.Message, Count: 1}
	var method, path string
	read := func(a slog.Attr) bool {
		into := (*string)(nil)
		switch a.Key {
		case "event":
			ok = a.Value.Kind() == slog.KindString && a.Value.String() == rec.Message
		case "count":
			if a.Value.Kind() == slog.KindInt64 {
				e.Count = min(max(a.Value.Int64(), 1), 1<<40)
			}
		case "reason", "rule":
			into = &e.Reason
		case "backend", "action", "policy":
			if e.Reason == "" {
				into = &e.Reason
			}
		case "client_ip":
			into = &e.Address
		case "subject", "actor":
			into = &e.Subject
		case "key_id":
			into = &e.Key
		case "origin":
			into = &e.Origin
		case "method":
			into = &method
		case "path":
			into = &path
		case "request_id":
			into = &e.Request
		case "note":
			into = &e.Note
		}
		if into != nil {
			*into = cut(a.Value.Resolve().String())
		}
		return true
	}
	for _, a := range with {
		read(a)
	}
	rec.Attrs(read)
	if !ok {
		return e, false
	}
	e.Route = strings.TrimSpace(method + " " + path)
	e.Layer = layerOf(e)
	return e, true
}

func cut(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return strings.Clone(s) // so that a long record is not kept for a word of it
}

// layerOf names the layer that an event comes from.
func layerOf(e Event) string {
	switch name := rampart.Event(e.Event); {
	case e.Reason == "address_denied" || e.Reason == "lockdown" || e.Reason == "denied" || e.Reason == "blocked":
		return "block"
	case name == rampart.MaliciousCORS || name == rampart.CORSPreflightRefused:
		return "cors"
	case name == rampart.MaliciousHost || name == rampart.InsecureTransport || name == rampart.MaliciousCSRF || name == rampart.UntrustedProxy || strings.HasPrefix(e.Event, "browser_"):
		return "headers"
	case name == rampart.ExcessRateLimit:
		return "limit"
	case name == rampart.InputValidationFail:
		return "input"
	case name == rampart.AuthzAdmin:
		return "operator"
	case strings.HasPrefix(e.Event, "auth"):
		return "credential"
	}
	return "system"
}

// refusal reports whether an event is a request that a layer has refused.
func refusal(e Event) bool {
	name := rampart.Event(e.Event)
	return name == rampart.AuthnLoginFail || name == rampart.AuthnTokenReuse ||
		e.Route != "" && e.Layer != "operator" && e.Layer != "system"
}

func (r *recorder) add(e Event, rec slog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Event == string(rampart.SysAlert) {
		r.alert(e, rec)
	}
	r.seq++
	e.Seq = r.seq
	r.ring[r.seq%maxEvents] = e
	r.traffic.event(e)
	if refusal(e) {
		for i, k := range kinds {
			r.who[i].add(k.of(e), e)
		}
	}
}

func (r *recorder) alert(e Event, rec slog.Record) {
	key := ""
	rec.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "key":
			key = cut(a.Value.String())
		case a.Key == "total" && a.Value.Kind() == slog.KindInt64:
			e.Count = a.Value.Int64()
		}
		return true
	})
	for i := range r.alerts {
		if a := &r.alerts[i]; a.Rule == e.Reason && a.Key == key && e.At.Sub(a.Last) < openFor {
			a.Last, a.Count = e.At, e.Count
			a.Fired++
			return
		}
	}
	r.alerts = append(r.alerts, Alert{Rule: e.Reason, Key: key, Since: e.At, Last: e.At, Count: e.Count, Fired: 1})
	if len(r.alerts) > maxAlerts {
		r.alerts = slices.Delete(r.alerts, 0, 1)
	}
}

// Alerts returns the alerts that have fired within the last hour, the newest first.
func (r *Recorder) Alerts() []Alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	open := []Alert{}
	for _, a := range slices.Backward(r.alerts) {
		if time.Since(a.Last) < openFor {
			open = append(open, a)
		}
	}
	return open
}

// A Filter chooses events. An empty field chooses all.
type Filter struct {
	Event  string // the name
	Layer  string // the layer
	Who    string // a subject, key ID, origin or address
	Route  string // how the route begins, or its path
	Before uint64 // older than this Seq; 0: from the newest on
}

func (f Filter) matches(e Event) bool {
	return (f.Event == "" || f.Event == e.Event) && (f.Layer == "" || f.Layer == e.Layer) &&
		(f.Who == "" || slices.Contains([]string{e.Subject, e.Key, e.Origin, e.Address}, f.Who)) &&
		(f.Route == "" || strings.Contains(e.Route, f.Route))
}

// Events returns at most limit events that f chooses, the newest first.
func (r *Recorder) Events(f Filter, limit int) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Event{}
	oldest := uint64(1)
	if r.seq > maxEvents {
		oldest = r.seq - maxEvents + 1
	}
	for seq := r.seq; seq >= oldest && len(list) < limit; seq-- {
		if e := r.ring[seq%maxEvents]; (f.Before == 0 || seq < f.Before) && f.matches(e) {
			list = append(list, e)
		}
	}
	return list
}

// newest is the number of the last event.
func (r *recorder) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A Fleet is the instances of a service, as the one that is asked sees them.
type Fleet struct {
	At        time.Time  `json:"at"`               // when it was looked at
	Self      string     `json:"self,omitempty"`   // the ID of the instance that is asked; "": not known
	Instances []Instance `json:"instances"`        // the oldest first
	Unheard   time.Time  `json:"unheard,omitzero"` // since when the list cannot be read and is what is remembered; zero: it is fresh
	Backends  []Backend  `json:"backends"`         // of the instance that is asked
	Blocks    int        `json:"blocks"`           // of the instance that is asked
	Lockdown  string     `json:"lockdown"`         // of the instance that is asked: off, read_only, deny
	FeedAge   string     `json:"feed_age"`         // "0s": it hears of changes
	Wrong     []Wrong    `json:"wrong"`            // what is wrong, the worst first
}

// An Instance is a row of the fleet.
type Instance struct {
	ID      string    `json:"id"`                // random, new with each start
	Version string    `json:"version,omitempty"` // the release that it runs
	Started time.Time `json:"started"`           // by its own clock
	Seen    time.Time `json:"seen"`              // when it last said that it lives
	Seq     int64     `json:"seq"`               // the last change that it has applied
	Self    bool      `json:"self,omitempty"`    // it is the one that is asked
	Missing int64     `json:"missing,omitempty"` // changes that another instance has and this one has not
	Since   time.Time `json:"since,omitzero"`    // since when some are missing
	Silent  bool      `json:"silent,omitempty"`  // it has not been heard of for longer than it should be
}

// A Wrong is something that is wrong now, or held by choice.
type Wrong struct {
	Severity string    `json:"severity"`       // "wrong" or "held"
	Text     string    `json:"text"`           // one sentence
	Since    time.Time `json:"since,omitzero"` // zero: not known
	Link     string    `json:"link"`           // the page that tells more, from where the console is mounted
}

// silence is how long an instance may say nothing: it does each five seconds.
const silence = 12 * time.Second

// fresh is how long one look at the fleet is shown: a hundred pages ask the backends as
// often as one.
const fresh = 500 * time.Millisecond

// seen is what a Console remembers between two looks.
type seen struct {
	fleet   *Fleet
	rows    []Instance // the last that could be read
	unheard time.Time
	behind  map[string]time.Time // since when, by ID
	states  map[string]Backend   // by name
}

// fleet looks at the fleet. One look at a time: the others wait for it.
func (c *Console) fleet(r *http.Request) *Fleet {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().UTC()
	if c.seen.fleet != nil && now.Sub(c.seen.fleet.At) < fresh {
		return c.seen.fleet
	}
	// Another caller may get what this one has asked for, so it does not end with them.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 3*time.Second)
	defer cancel()
	f := &Fleet{At: now, Instances: []Instance{}, Backends: []Backend{}}
	var state struct {
		Instances []Instance
		Blocks    int
		Lockdown  string
		FeedAge   string `json:"feed_age"`
	}
	err := c.get(r.WithContext(ctx), "/state/", &state)
	f.Blocks, f.Lockdown, f.FeedAge = state.Blocks, state.Lockdown, state.FeedAge
	if err == nil && len(state.Instances) > 0 {
		c.seen.rows, c.seen.unheard = state.Instances, time.Time{}
	} else if c.seen.unheard.IsZero() {
		c.seen.unheard = now
	}
	f.Unheard = c.seen.unheard
	f.Instances = c.seen.compare(now)
	for _, in := range f.Instances {
		if in.Self {
			f.Self = in.ID
		}
	}
	if c.cfg.Backends != nil {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		f.Backends = c.seen.since(c.cfg.Backends(asking), now)
		cancel()
	}
	f.Wrong = wrongs(f, c.cfg.Recorder.Alerts())
	c.seen.fleet = f
	return f
}

// compare tells which of the rows miss changes, and since when.
func (s *seen) compare(now time.Time) []Instance {
	rows := slices.Clone(s.rows)
	var most int64
	for _, in := range rows {
		most = max(most, in.Seq)
	}
	behind := map[string]time.Time{}
	for i := range rows {
		in := &rows[i]
		in.Missing, in.Silent = most-in.Seq, now.Sub(in.Seen) > silence
		if in.Missing > 0 {
			in.Since = now
			if since, known := s.behind[in.ID]; known {
				in.Since = since
			}
			behind[in.ID] = in.Since
		}
	}
	s.behind = behind
	return rows
}

// since tells since when each backend is in its state.
func (s *seen) since(list []Backend, now time.Time) []Backend {
	states := map[string]Backend{}
	for i := range list {
		b := &list[i]
		b.Since = now
		if was, known := s.states[b.Name]; known && was.State == b.State {
			b.Since = was.Since
		}
		states[b.Name] = *b
	}
	s.states = states
	return list
}

// changes is n with its noun.
func changes(n int64) string {
	if n == 1 {
		return "1 change"
	}
	return strconv.FormatInt(n, 10) + " changes"
}

// wrongs tells what is wrong, and what is held by choice.
func wrongs(f *Fleet, alerts []Alert) []Wrong {
	list := []Wrong{}
	agree := 0
	for _, in := range f.Instances {
		if in.Missing == 0 && !in.Silent {
			agree++
		}
	}
	for _, in := range f.Instances {
		text, since := fmt.Sprintf("%s misses %s", in.ID, changes(in.Missing)), in.Since
		switch {
		case in.Missing > 0:
		case in.Silent:
			text, since = in.ID+" has not been heard of", in.Seen
		default:
			continue
		}
		list = append(list, Wrong{"wrong", fmt.Sprintf("%d of %d instances agree · %s", agree, len(f.Instances), text), since, "#" + in.ID})
	}
	if !f.Unheard.IsZero() {
		list = append(list, Wrong{"wrong", "The list of instances cannot be read; showing what this instance remembers", f.Unheard, "#backends"})
	}
	for _, b := range f.Backends {
		if b.State != "ok" {
			list = append(list, Wrong{"wrong", b.Name + " " + b.State + ": " + b.Policy, b.Since, "#backends"})
		}
	}
	for _, a := range alerts {
		list = append(list, Wrong{"wrong", fmt.Sprintf("alert %s: %d events", a.Rule, a.Count), a.Since, "now#alerts"})
	}
	if f.Lockdown != "" && f.Lockdown != "off" {
		list = append(list, Wrong{"held", "locked down: " + f.Lockdown, time.Time{}, "orders#force"})
	}
	return list
}

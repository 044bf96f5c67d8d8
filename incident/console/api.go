package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
)

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func (c *Console) fleetAPI(w http.ResponseWriter, r *http.Request) { writeJSON(w, c.fleet(r)) }

// A now is what happens on this instance.
type now struct {
	At       time.Time `json:"at"`
	Instance string    `json:"instance"`
	Since    time.Time `json:"since"` // when it started to count
	Minutes  []Minute  `json:"minutes"`
	Alerts   []Alert   `json:"alerts"`
}

func (c *Console) now(r *http.Request) now {
	rec := c.cfg.Recorder
	return now{time.Now().UTC(), c.fleet(r).Self, rec.started.UTC(), rec.Traffic(), rec.Alerts()}
}

func (c *Console) nowAPI(w http.ResponseWriter, r *http.Request) { writeJSON(w, c.now(r)) }

// page is how many events a page shows.
const page = 100

func filterOf(r *http.Request) Filter {
	q := r.URL.Query()
	before, _ := strconv.ParseUint(q.Get("before"), 10, 64) // what is no number is the newest
	return Filter{Event: q.Get("event"), Layer: q.Get("layer"), Who: q.Get("who"), Route: q.Get("route"), Before: before}
}

func (c *Console) eventsAPI(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, map[string]any{"instance": c.fleet(r).Self, "events": c.cfg.Recorder.Events(filterOf(r), page)})
}

func (c *Console) keys(r *http.Request) []Key {
	if c.cfg.Keys == nil {
		return []Key{}
	}
	return append([]Key{}, c.cfg.Keys(r.Context())...)
}

func (c *Console) keysAPI(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, map[string]any{"keys": c.keys(r)})
}

// Times of a stream. It ends after a while, so that a session which has ended ends it.
const (
	streamTick = time.Second
	streamBeat = 5 * time.Second
	streamEnd  = 5 * time.Minute
)

// live tells a page that something has changed: once a second at most, whatever happens.
// The page asks what.
func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	select {
	case c.stream <- struct{}{}:
		defer func() { <-c.stream }()
	default: // the page polls
		(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "too_many_streams", Header: http.Header{"Retry-After": {"30"}}}).Write(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would wait until its buffer is full
	out := http.NewResponseController(w)
	tick := time.NewTicker(streamTick)
	defer tick.Stop()
	end := time.After(streamEnd)
	var told uint64
	var toldAt time.Time
	for {
		if seq := c.cfg.Recorder.newest(); seq != told || time.Since(toldAt) >= streamBeat {
			told, toldAt = seq, time.Now()
			_ = out.SetWriteDeadline(toldAt.Add(2 * streamBeat)) // a page that does not read is dropped
			if _, err := fmt.Fprintf(w, "event: change\ndata: {\"seq\":%d}\n\n", seq); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-end:
			return
		case <-tick.C:
		}
	}
}

package console

import (
	"math"
	"net/http"
	"time"
)

// minutes is how far back traffic is kept.
const minutes = 60

// layers are those that refuse, in their order around a request.
var layers = [...]string{"headers", "cors", "block", "limit", "credential", "input"} //nolint:gochecknoglobals // read-only

// A Minute is what this instance did in one minute.
type Minute struct {
	At       time.Time        `json:"at"`               // when it began
	Requests int64            `json:"requests"`         // that [Recorder.Count] saw the end of
	Refused  map[string]int64 `json:"refused"`          // by layer
	P50      float64          `json:"p50_ms"`           // the median time of a request, in milliseconds; 0: no requests
	P99      float64          `json:"p99_ms"`           // 99 of 100 took no longer
	Orders   int64            `json:"orders,omitempty"` // of operators
	Alerts   int64            `json:"alerts,omitempty"` // that fired
}

// spans is how many times of requests are told apart: powers of the square root of two,
// from 16 µs up.
const spans = 48

type minute struct {
	number         int64 // since 1970
	requests       int64
	refused        [len(layers)]int64
	orders, alerts int64
	took           [spans]int64
}

// traffic counts by the minute. The Recorder's lock guards it.
type traffic struct{ slots [minutes + 1]minute }

func (t *traffic) at(now time.Time) *minute {
	n := now.Unix() / 60
	slot := &t.slots[n%int64(len(t.slots))]
	if slot.number != n {
		*slot = minute{number: n}
	}
	return slot
}

func (t *traffic) event(e Event) {
	slot := t.at(time.Now())
	switch {
	case e.Layer == "operator":
		slot.orders++
	case e.Event == "sys_alert":
		slot.alerts++
	case refusal(e):
		for i, name := range layers {
			if name == e.Layer {
				slot.refused[i] += e.Count
			}
		}
	}
}

// Count is a layer that counts requests and how long they take. It belongs around all
// others, and not around a Console, whose stream lasts for minutes.
func (r *Recorder) Count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		defer func() { // a handler that panics has taken its time, too
			took := time.Since(began)
			r.mu.Lock()
			defer r.mu.Unlock()
			slot := r.traffic.at(time.Now())
			slot.requests++
			slot.took[spanOf(took)]++
		}()
		next.ServeHTTP(w, req)
	})
}

func spanOf(d time.Duration) int {
	us := float64(d.Microseconds()) / 16
	if us <= 1 {
		return 0
	}
	return min(int(math.Ceil(2*math.Log2(us))), spans-1)
}

// Traffic returns the last 60 minutes, the oldest first; the last one is not over.
func (r *Recorder) Traffic() []Minute {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().Unix() / 60
	list := make([]Minute, 0, minutes)
	for n := now - minutes + 1; n <= now; n++ {
		m := Minute{At: time.Unix(n*60, 0).UTC(), Refused: map[string]int64{}}
		if slot := r.traffic.slots[n%int64(len(r.traffic.slots))]; slot.number == n {
			m.Requests, m.Orders, m.Alerts = slot.requests, slot.orders, slot.alerts
			m.P50, m.P99 = slot.quantile(0.5), slot.quantile(0.99)
			for i, name := range layers {
				m.Refused[name] = slot.refused[i]
			}
		}
		list = append(list, m)
	}
	return list
}

// quantile returns a time in milliseconds that this share of the requests did not exceed.
func (m *minute) quantile(share float64) float64 {
	need, seen := int64(math.Ceil(share*float64(m.requests))), int64(0)
	for i, n := range m.took {
		if seen += n; n > 0 && seen >= need {
			return math.Round(16*math.Pow(2, float64(i)/2)) / 1000
		}
	}
	return 0
}

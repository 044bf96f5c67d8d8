package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
)

// Live returns a handler that responds with 200 as long as the process serves at all.
// It asks nothing else: a database that is down is no reason to restart.
func (h *Health) Live() http.Handler {
	return reading(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, r, http.StatusOK, overview{Status: "ok"})
	})
}

// Ready returns a handler that responds with 200, or 503 with Retry-After, and tells
// strangers nothing more.
func (h *Health) Ready() http.Handler {
	return reading(func(w http.ResponseWriter, r *http.Request) {
		if h.Check(r.Context()) != nil {
			(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Header: http.Header{"Retry-After": {"1"}}}).Write(w)
			return
		}
		writeJSON(w, r, http.StatusOK, overview{Status: "ok"})
	})
}

// Detail returns a handler that tells operators what [Health.Ready] is made of, with
// the same status: a JSON object of the status ("ok", "unavailable" or "draining"),
// the version, and each check by its name: whether it is ok and optional, its error,
// since when it is as it is, how many seconds it took, and what its Info returns.
// Serve it where only they come, such as by an [Admin].
func (h *Health) Detail() http.Handler {
	return reading(func(w http.ResponseWriter, r *http.Request) {
		found, err := h.result(r.Context())
		page, status := overview{Status: "ok", Version: h.version, Checks: h.details()}, http.StatusOK
		switch {
		case h.drained.Load():
			page.Status, status = "draining", http.StatusServiceUnavailable
		case err != nil || !found.ok:
			page.Status, status = "unavailable", http.StatusServiceUnavailable
		}
		writeJSON(w, r, status, page)
	})
}

type overview struct {
	Status  string            `json:"status"`
	Version string            `json:"version,omitempty"`
	Checks  map[string]detail `json:"checks,omitempty"`
}

type detail struct {
	OK       bool            `json:"ok"`
	Optional bool            `json:"optional,omitempty"`
	Error    string          `json:"error,omitempty"`
	Since    time.Time       `json:"since,omitzero"`
	Seconds  float64         `json:"seconds"`
	Info     json.RawMessage `json:"info,omitempty"`
}

func (h *Health) details() map[string]detail {
	all := make(map[string]detail, len(h.checks))
	h.mu.Lock()
	now := time.Now()
	for _, c := range h.checks {
		err, pending := h.found(c, now)
		d := detail{OK: err == nil, Optional: c.Optional, Since: c.since.UTC().Truncate(time.Millisecond), Seconds: c.took.Seconds()}
		if c.running && !pending {
			d.Seconds = now.Sub(c.began).Seconds()
		}
		if err != nil {
			d.Error = rampart.Text("", err.Error()).Value.String()
		}
		all[c.Name] = d
	}
	h.mu.Unlock()
	for _, c := range h.checks {
		if c.Info != nil {
			d := all[c.Name]
			d.Info = infoOf(c)
			all[c.Name] = d
		}
	}
	return all
}

// infoOf returns what c tells of itself. A mistake in it hides nothing else.
func infoOf(c *check) (info json.RawMessage) {
	defer func() {
		if recover() != nil {
			info = json.RawMessage(`{"error":"Info has panicked"}`)
		}
	}()
	info, err := json.Marshal(c.Info())
	if err != nil {
		return json.RawMessage(`{"error":"Info is not for JSON"}`)
	}
	return info
}

// reading is h for GET and HEAD.
func reading(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			(&rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"}).Write(w)
			return
		}
		h(w, r)
	})
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, v overview) {
	body, err := json.Marshal(v)
	if err != nil { // unreachable: Info is JSON already, and the rest always marshals
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Content-Length", strconv.Itoa(len(body)+1))
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(append(body, '\n')) // the prober is gone if this fails
	}
}

package server

import (
	"net/http"
	"sync"

	"github.com/ecolaura/rampart"
)

// Mux is [http.ServeMux] whose own refusals are problems: 404 for an unknown
// path, 405 with Allow for a method that the path does not take, 400 for a
// target that is no path. It is safe for concurrent use once all handlers are
// registered, as ServeMux is; the zero value is ready to use.
type Mux struct {
	mux     http.ServeMux
	writers sync.Pool // of *muxWriter
}

// NewMux returns an empty Mux.
func NewMux() *Mux { return new(Mux) }

// Handle registers h for pattern. It panics where ServeMux does: on a malformed
// pattern, one that conflicts with an earlier one, and a nil handler.
func (m *Mux) Handle(pattern string, h http.Handler) {
	if f, ok := h.(http.HandlerFunc); h == nil || ok && f == nil {
		m.mux.Handle(pattern, h) // it panics
	}
	m.mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if own, ok := w.(*muxWriter); ok {
			w = own.ResponseWriter // a registered handler responds for itself
		}
		h.ServeHTTP(w, r)
	}))
}

// HandleFunc registers f for pattern, as [Mux.Handle] does.
func (m *Mux) HandleFunc(pattern string, f func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, http.HandlerFunc(f))
}

// Pattern returns the pattern that r matches, or "".
func (m *Mux) Pattern(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	return pattern
}

// ServeHTTP dispatches r to the handler whose pattern fits it best.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	own, ok := m.writers.Get().(*muxWriter)
	if !ok {
		own = new(muxWriter)
	}
	own.ResponseWriter, own.method = w, r.Method
	m.mux.ServeHTTP(own, r)
	*own = muxWriter{}
	m.writers.Put(own)
}

// muxWriter receives what ServeMux writes itself. Registered handlers get the
// writer below it, so whatever arrives here is a redirect or a refusal.
type muxWriter struct {
	http.ResponseWriter
	method  string
	refused bool
}

func (w *muxWriter) WriteHeader(status int) {
	if status < http.StatusBadRequest {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	w.Header().Del("Connection") // ServeMux closes on "*"; net/http decides for us
	muxProblem(status, w.method).Write(w.ResponseWriter)
}

func (w *muxWriter) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil // the plain text for which a problem stands
	}
	return w.ResponseWriter.Write(b)
}

// muxProblem holds the wording that Django REST framework gives.
func muxProblem(status int, method string) *rampart.Problem {
	switch status {
	case http.StatusNotFound:
		return &rampart.Problem{Status: status, Code: "not_found", Detail: "Not found."}
	case http.StatusMethodNotAllowed:
		detail := "Method not allowed."
		switch method { // any token can be a method: only known ones are named
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
			detail = `Method "` + method + `" not allowed.`
		}
		return &rampart.Problem{Status: status, Code: "method_not_allowed", Detail: detail}
	default:
		return &rampart.Problem{Status: status, Code: "bad_request"}
	}
}

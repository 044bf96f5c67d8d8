package peers

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// A Row is one implementation of one job.
type Row struct {
	Group          string // what is compared, such as "cors: actual request"
	Implementation string // "rampart", "floor", or the peer's module
	Handler        http.Handler
	Request        *http.Request
	Status         int
	Headers        map[string]string // what the answer must carry: name → part of the value
}

// Check says what is wrong with the answer of r, asked twice: a row that
// answers right only once would be timed on something else.
func (r Row) Check() error {
	for range 2 {
		w := httptest.NewRecorder()
		r.Handler.ServeHTTP(w, r.Request)
		var errs []error
		if w.Code != r.Status {
			errs = append(errs, fmt.Errorf("status %d, want %d: %s", w.Code, r.Status, w.Body))
		}
		for name, part := range r.Headers {
			if got := strings.Join(w.Header().Values(name), ", "); !strings.Contains(got, part) || got == "" {
				errs = append(errs, fmt.Errorf("%s: %q, want %q", name, got, part))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("%s, %s: %w", r.Group, r.Implementation, err)
		}
	}
	return nil
}

// Sink is a response writer that keeps nothing; its header map is emptied
// between requests, which costs every row the same.
type Sink struct{ header http.Header }

// NewSink returns an empty Sink.
func NewSink() *Sink { return &Sink{header: make(http.Header, 16)} }

// Reset readies s for the next request.
func (s *Sink) Reset() { clear(s.header) }

// Header implements http.ResponseWriter.
func (s *Sink) Header() http.Header { return s.header }

// Write implements http.ResponseWriter.
func (s *Sink) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (s *Sink) WriteHeader(int) {}

// served is a handler that does as little as one can: it sets a header of its
// own, so that layers which look at the header once more have to, and answers.
var served = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusNoContent)
})

// silent leaves the header map alone.
var silent = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

var jsonType = []string{"application/json"}

// busy answers as a page of a list does that also renews a session.
var busy = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "private, max-age=60")
	h.Set("X-Total-Count", "1234")
	h.Add("Set-Cookie", "sessionid=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax")
	w.WriteHeader(http.StatusOK)
})

type layer = func(http.Handler) http.Handler

// must is for set-up that is constant: a mistake in it is a bug of this package.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

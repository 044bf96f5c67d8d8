package monitor

import (
	"net/http"
	"strings"
	"time"

	"github.com/ecolaura/rampart/internal/logline"
	"github.com/ecolaura/rampart/internal/memo"
	"github.com/ecolaura/rampart/internal/request"
)

// clientClosed stands for a response that no client waited for, as in nginx's log.
const clientClosed = 499

// Bounds of [Requests]: how many routes it tells apart, and the bytes of a name.
const (
	maxRoutes = 512
	maxRoute  = 128
)

// A Request is one that has been served, told in words of which there are few, whatever
// clients send.
type Request struct {
	Method string        // as it was sent if net/http has a constant for it, else "_OTHER"
	Route  string        // the pattern that matched ([http.Request.Pattern]), without its method; "unmatched" for none
	Status int           // of the response; 499 if the client was gone before there was one
	Took   time.Duration // until the handler had returned
}

// Requests is a layer that calls done for each request, after it has been served or
// its handler has panicked. Put it outside all layers whose refusals count; a layer
// between it and the mux passes on its own request, or gives the pattern back, as
// those of this library do. It tells 512 routes apart; later ones are "other". done is
// called by many goroutines at a time; r is the request as it came to the layer, with
// the pattern.
func Requests(done func(r *http.Request, served Request)) func(http.Handler) http.Handler {
	known := new(routes)
	return func(next http.Handler) http.Handler { return &measured{next, known, done} }
}

// measured is next, whose requests are told.
type measured struct {
	next  http.Handler
	known *routes
	done  func(*http.Request, Request)
}

// ServeHTTP implements [http.Handler].
func (m *measured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n *request.Note
	began, returned := time.Now(), false
	own := request.JoinCopy(w, r, request.Status, false, func(layer *request.Note) { n = layer })
	defer func() {
		status := n.Status(returned)
		if !returned && status == http.StatusInternalServerError && r.Context().Err() != nil {
			status = clientClosed
		}
		m.done(r, Request{request.Method(r.Method), m.known.name(r.Pattern), status, time.Since(began)})
	}()
	own.Serve(m.next, w, r)
	returned = true
}

// routes are the names of the patterns so far.
type routes struct{ memo.Map[string, string] }

func (rs *routes) name(pattern string) string {
	if pattern == "" {
		return "unmatched"
	}
	if name, ok := rs.Get(pattern); ok {
		return name
	}
	_, route, hasMethod := strings.Cut(pattern, " ")
	if !hasMethod {
		route = pattern
	}
	name, ok := rs.Add(pattern, logline.Escape(strings.TrimSpace(route), maxRoute), maxRoutes)
	if !ok {
		return otherLabel
	}
	return name
}

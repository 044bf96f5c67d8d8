package throttle

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
)

// Handler is the layer: it charges each request, tells the client by header
// fields what is left, and serves with next what may pass. What may not is
// answered by the ErrorHandler and reported.
func (l *Limiter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := l.current.Load()
		if c == nil {
			(*rampart.Reporter)(nil).Refused(r, rampart.ExcessRateLimit, "", slog.String("reason", string(NotConfigured)))
			unavailable().Write(w)
			return
		}
		q := l.newCall()
		c.decide(r, q)
		var place request.Place
		if c.tells(q) {
			var f *fields
			f, place = request.Join[fields](w, r, request.Fields)
			f.fill(c, q)
		}
		switch {
		case q.denied():
			q.compiled = c
			place.Serve(q, w, r)
			l.free(q)
		case q.refundable():
			defer l.free(q)
			place.Serve(&refunding{c, q, next}, w, r)
		default:
			l.free(q) // next may take long
			place.Serve(next, w, r)
		}
	})
}

// ServeHTTP refuses the request that q is about.
func (q *call) ServeHTTP(w http.ResponseWriter, r *http.Request) { q.compiled.refuse(w, r, q) }

func (q *call) refundable() bool {
	for i, p := range q.policies {
		if p.Refund != nil && q.modes[i] != uncharged {
			return true
		}
	}
	return false
}

// refunding is next, and then gives back, as the status is known, what policies
// want to.
type refunding struct {
	c    *compiled
	q    *call
	next http.Handler
}

// ServeHTTP implements [http.Handler].
func (f *refunding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, place := request.Join[request.Note](w, r, request.Status)
	ctx, returned := r.Context(), false
	defer func() { f.c.refund(ctx, f.q, n.Status(returned)) }()
	place.Serve(f.next, w, r)
	returned = true
}

func (c *compiled) refund(ctx context.Context, q *call, status int) {
	for i, p := range q.policies {
		if p.Refund != nil && q.modes[i] != uncharged && p.Refund(status) {
			q.items[i].At = q.results[i].At
			c.backend.give(ctx, q.items[i:i+1], q.modes[i])
		}
	}
}

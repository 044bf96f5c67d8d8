package throttle

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/respwriter"
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
		c.setFields(w.Header(), q)
		switch {
		case q.denied():
			c.refuse(w, r, q)
			l.free(q)
		case q.refundable():
			defer l.free(q)
			c.serveRefunding(w, r, q, next)
		default:
			l.free(q) // next may take long
			next.ServeHTTP(w, r)
		}
	})
}

func (q *call) refundable() bool {
	for i, p := range q.policies {
		if p.Refund != nil && q.modes[i] != uncharged {
			return true
		}
	}
	return false
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	respwriter.Writer
	status int
}

// FinalHeader implements [respwriter.Finalizer].
func (w *statusWriter) FinalHeader(_ http.Header, status int) { w.status = status }

// serveRefunding gives back, once the status is known, what policies want to.
func (c *compiled) serveRefunding(w http.ResponseWriter, r *http.Request, q *call, next http.Handler) {
	sw := &statusWriter{status: http.StatusInternalServerError} // unless it is known better: next panics
	sw.ResponseWriter, sw.Final = w, sw
	ctx := r.Context()
	defer func() { c.refund(ctx, q, sw.status) }()
	next.ServeHTTP(sw, r)
	sw.Finish()
}

func (c *compiled) refund(ctx context.Context, q *call, status int) {
	for i, p := range q.policies {
		if p.Refund != nil && q.modes[i] != uncharged && p.Refund(status) {
			q.items[i].At = q.results[i].At
			c.backend.give(ctx, q.items[i:i+1], q.modes[i])
		}
	}
}

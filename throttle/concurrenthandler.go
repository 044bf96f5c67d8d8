package throttle

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"

	"github.com/ecolaura/rampart"
)

// Handler is the layer: it serves with next as many requests at once as the Config
// allows. A place is free again when next returns or panics, also for a connection that
// it has hijacked. What gets no place is answered by the ErrorHandler and reported; of
// a client that left while it waited there is nothing to report.
func (c *Concurrent) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, denied := c.enter(r)
		if denied != nil {
			c.refuse(w, r, t, denied)
			return
		}
		defer c.leave(t)
		next.ServeHTTP(w, r)
	})
}

func (c *Concurrent) refuse(w http.ResponseWriter, r *http.Request, t ticket, denied *DeniedError) {
	attrs := []slog.Attr{slog.String("reason", string(denied.Reason)), slog.String("policy", c.cfg.Name)}
	switch {
	case errors.Is(denied.Err, context.Canceled):
	case denied.Reason == Overloaded:
		c.reporter.Refused(r, rampart.SysOverloaded, "", attrs...)
	default:
		c.reporter.Refused(r, rampart.ExcessRateLimit, strconv.FormatUint(t.key, 36), attrs...)
	}
	p := denied.Problem()
	if c.cfg.ErrorHandler != nil {
		maps.Copy(w.Header(), p.Header)
		c.cfg.ErrorHandler(w, r, denied)
		return
	}
	p.Write(w)
}

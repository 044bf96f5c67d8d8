package main

import (
	"log/slog"
	"net/http"

	"github.com/ecolaura/rampart"
)

// atOnce lets a number of requests through at once and tells the others to come again:
// each log-in asks the database and waits for its turn to have the password checked, and
// a thousand of them would only keep each other waiting.
func atOnce(most int, events *rampart.Reporter) layer {
	places := make(chan struct{}, most)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
				next.ServeHTTP(w, r)
			default:
				events.Refused(r, rampart.SysOverloaded, "log-ins", slog.String("backend", "passwords"))
				w.Header().Set("Retry-After", "1")
				(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "busy", Detail: "Too many log-ins at once."}).Write(w)
			}
		})
	}
}

// maxLogins is more than arrive together after a deployment, and as many as are served
// within seconds.
const maxLogins = 64

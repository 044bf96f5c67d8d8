package server

import (
	"net/http"
	"time"

	"github.com/ecolaura/rampart/internal/request"
)

// Streaming is a layer for server-sent events and long downloads, which the
// [Config].WriteTimeout of a [Server] would cut off: a response goes on for as long as
// its client reads it, and ends when the client does not take a piece of it, 64 KiB at
// most, within stall; 0 or less: 30 s. A handler that writes nothing may wait for
// ever: it also waits for the request's context, and for [Ending]. The time of a
// request without a body, or whose body has been read, is not limited any more;
// that of a body still is.
//
//	mux.Handle("GET /events", server.Streaming(0)(events))
//
// It sets the deadlines by [http.ResponseController]. A foreign writer between it and
// the Server needs Unwrap, or the server's own deadlines stay. A handler writes from one
// goroutine at a time.
func Streaming(stall time.Duration) func(http.Handler) http.Handler {
	if stall <= 0 {
		stall = 30 * time.Second
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { request.Pace(next, w, r, stall) })
	}
}

package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
)

// Recover is a layer that responds with 500 when a handler panics, and logs the
// panic with its stack as the event sys_crash; a nil log means [slog.Default].
// Without it net/http drops the connection, and the client sees no response at
// all. [http.ErrAbortHandler] passes on: it means just that. If a response was
// already under way it cannot be taken back, so the connection is dropped.
//
// [Server] has it built in, outside every layer.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	reporter := rampart.NewReporter(log, "server")
	return func(next http.Handler) http.Handler { return recovering(reporter, next, nil) }
}

// recovering is Recover, and takes part in the end of a server, if e is not nil.
func recovering(reporter *rampart.Reporter, next http.Handler, e *ending) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var s *start
		_, compressed := w.Header()["Content-Encoding"]
		own := request.JoinCopy(w, r, request.Status, false, func(layer *start) {
			s = layer
			s.e = e
		})
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this
				panic(v)
			}
			if own != nil { // the layers further in have put their values there: the id, the address
				r = &own.R
			}
			reporter.Refused(r, rampart.SysCrash, "", rampart.Text("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			if s.begun {
				panic(http.ErrAbortHandler)
			}
			if !compressed { // the handler's, for the body that it has not written
				w.Header().Del("Content-Encoding")
			}
			(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
		}()
		own.Serve(next, w, r)
	})
}

// start notes whether a response has begun.
type start struct {
	request.Base
	begun bool
	e     *ending // nil: that of no server
}

// Take implements [request.Taker].
func (s *start) Take(c net.Conn) net.Conn {
	if s.e == nil {
		return c
	}
	return s.e.take(c)
}

// Final implements [request.Layer]. A server that ends says so in each response: a
// proxy sends its next request to another one, and net/http turns the field into a
// GOAWAY of HTTP/2. A connection that switches protocols has a Connection field of
// its own, and an informational response closes nothing.
func (s *start) Final(_ *request.Writer, h http.Header, status int, _ request.Look) {
	s.begun = s.begun || status > 0
	if status != request.Early && status != http.StatusSwitchingProtocols && s.e != nil && s.e.begun.Load() {
		h.Set("Connection", "close")
	}
}

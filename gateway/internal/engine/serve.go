package engine

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/router"
)

// How long a client may take to read or to send on, give or take an eighth; both
// begin anew with each part that moves, so that streams may last.
const (
	BodyTimeout  = 60 * time.Second // unless Options say otherwise
	writeTimeout = WriteTimeout
)

// minRate is how many bytes a second a client has to send of its body, once it
// has used up its BodyTimeout. Else a byte now and then would hold a connection to
// the upstream too, of which WSGI servers have few. Clients that read are held to
// as much by the size of one Write.
const minRate = 500

// WriteTimeout is that of a listener without TLS, whose connections serve one
// request at a time. (In HTTP/2 it would end a stream that has to wait for its
// upstream, so a listener with TLS needs a long one.)
const WriteTimeout = 60 * time.Second

// ServeHTTP implements http.Handler. It stands inside server.RequestID.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.handler.ServeHTTP(w, r) }

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	e.requests.Add(1)
	e.active.Add(1)
	s := e.current.Load()
	c := e.begin(r)
	rec := &recorder{ResponseWriter: w, control: http.NewResponseController(w)}
	if r.TLS == nil { // WriteTimeout of the listener holds until then
		rec.until = c.Start.Add(writeTimeout / 2)
	}
	if r.ProtoMajor == 1 && r.Body != nil && r.Body != http.NoBody {
		// net/http reads what the handler leaves of a body, before it responds.
		_ = rec.control.SetReadDeadline(c.Start.Add(e.opts.BodyTimeout))
	}
	ended := false
	defer func() {
		e.active.Add(-1)
		if !ended && rec.status == 0 { // a panic on its way to server.Recover
			rec.status = http.StatusInternalServerError
		}
		if c.Route != nil { // for the layer that measures, around us
			r.Pattern = cmp.Or(c.Route.Name, c.Route.ID)
		}
		took := time.Since(c.Start)
		for _, k := range c.Counts {
			k.Count(c, rec.status, rec.sent, took)
		}
		e.opts.Access.record(r, c, rec, took)
	}()
	e.dispatch(rec, r.WithContext(call.With(r.Context(), c)), c, s)
	if ended = true; rec.status == 0 {
		rec.status = http.StatusOK
	}
}

// begin tells what the connection says of a request.
func (e *Engine) begin(r *http.Request) *call.Call {
	c := &call.Call{Start: time.Now(), Scheme: "http", Peer: rampart.PeerAddr(r), Client: e.clients.Addr(r)}
	c.Trusted = e.opts.Proxies.Trusts(r)
	if e.opts.Proxies.HTTPS(r) {
		c.Scheme = "https"
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		c.Port = a.Port
	}
	return c
}

func (e *Engine) dispatch(w *recorder, r *http.Request, c *call.Call, s *state) {
	switch {
	case r.Method == http.MethodTrace: // an upstream's answer shows what proxies have added
		pass(w, r, c, s.refusals[http.StatusMethodNotAllowed])
		return
	case r.Method == http.MethodConnect, !strings.HasPrefix(r.URL.Path, "/"):
		e.bad(w, r, c, s, "target")
		return
	case !plainMethod(r.Method):
		e.bad(w, r, c, s, "method")
		return
	case !c.Client.IsValid() && c.Peer.IsValid():
		e.bad(w, r, c, s, "client_unknown")
		return
	}
	if c.Path = router.Normalize(r.URL.EscapedPath()); router.Ambiguous(c.Path) {
		e.bad(w, r, c, s, "ambiguous_path")
		return
	}
	ask := router.Request{Method: r.Method, Host: r.Host, Port: c.Port, Path: c.Path, Header: r.Header, TLS: c.Scheme == "https"}
	if r.TLS != nil {
		ask.SNI = r.TLS.ServerName
	}
	m, ok := s.router.Find(&ask)
	if !ok {
		pass(w, r, c, s.refusals[http.StatusNotFound])
		return
	}
	found := &s.routes[m.Route]
	c.Route, c.Service, c.Matched, c.Regex = found.route, found.service, m.Prefix, m.Regex
	if c.Scheme == "http" && !found.insecure {
		pass(w, r, c, s.refusals[http.StatusUpgradeRequired])
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &patientBody{ReadCloser: r.Body, control: w.control, timeout: e.opts.BodyTimeout, credit: e.opts.BodyTimeout, call: c}
	}
	pass(w, r, c, found.chain)
}

// plainMethod reports whether a method is one that nginx would take too: Django, for
// one, takes delete for DELETE, and a route that is for DELETE does not.
func plainMethod(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// bad refuses what no honest client sends.
func (e *Engine) bad(w http.ResponseWriter, r *http.Request, c *call.Call, s *state, reason string) {
	e.events.Refused(r, rampart.InputValidationFail, "", slog.String("reason", reason))
	pass(w, r, c, s.refusals[http.StatusBadRequest])
}

// redirect responds to a plain http request of a route that is for https only, as
// Kong does: 426 (RFC 9110 section 15.5.22), or a redirect if it is configured.
func redirect(w http.ResponseWriter, r *http.Request) {
	status := call.From(r.Context()).Route.RedirectStatus
	if status == http.StatusUpgradeRequired {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "TLS/1.2, HTTP/1.1")
		(&rampart.Problem{Status: status, Code: "https_required"}).Write(w)
		return
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
		if strings.IndexByte(h, ':') >= 0 {
			host = "[" + h + "]"
		}
	}
	w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
	w.WriteHeader(status)
}

// recorder notes what is answered, and gives a client its time anew with each
// part that it takes.
type recorder struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	sent    int64
	until   time.Time
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if now := time.Now(); now.After(w.until) {
		w.until = now.Add(writeTimeout / 8)
		_ = w.control.SetWriteDeadline(now.Add(writeTimeout)) // a hijacked connection has none
	}
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// Flush implements http.Flusher: our layers offer a handler what this writer does.
func (w *recorder) Flush() { _ = w.control.Flush() }

// Hijack implements http.Hijacker, for WebSockets.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.control.Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// patientBody gives a client its time anew with each part that it sends, as long
// as it sends at minRate.
type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
	timeout time.Duration
	call    *call.Call
	until   time.Time
	credit  time.Duration // for which it may yet be waited, all in all
	err     error
}

// Read implements io.Reader. Only the end of the body ends the time for it: the
// connection then waits for its next request. After any other error net/http
// still tries to read the rest.
func (b *patientBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	now := time.Now()
	if b.credit < b.timeout {
		b.until = time.Time{}
		_ = b.control.SetReadDeadline(now.Add(b.credit))
	} else if now.After(b.until) {
		b.until = now.Add(b.timeout / 8)
		_ = b.control.SetReadDeadline(now.Add(b.timeout))
	}
	n, err := b.ReadCloser.Read(p)
	// Only time in here counts: an upstream's slowness is not the client's.
	b.credit = min(b.credit+time.Duration(n)*(time.Second/minRate)-time.Since(now), 10*b.timeout)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF), errors.Is(err, http.ErrBodyReadAfterClose): // net/http may have read the end
		_ = b.control.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = err
		b.call.BodyFailed.Store(http.StatusRequestTimeout)
	default:
		b.err = err
		b.call.BodyFailed.Store(http.StatusBadRequest)
	}
	return n, err
}

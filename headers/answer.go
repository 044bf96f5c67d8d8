package headers

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart/internal/respwriter"
)

// An answer is all that one request costs: the writer, the values that the
// header map's slices point into (none is shared with another request, so a
// handler that writes into one changes its own answer only), and the request
// with our context.
type answer struct {
	respwriter.Writer
	in     *http.Request
	set    *set                   // a Route replaces it
	nonce  atomic.Pointer[string] // set.noNonce once the header is out without one
	https  bool
	seen   bool // the header map may differ from what begin left
	hinted bool // an informational answer went out
	req    http.Request
	values [inline]string
}

func newAnswer(w http.ResponseWriter, r *http.Request, s *set, https bool) *answer {
	a := &answer{in: r, set: s, https: https}
	a.ResponseWriter, a.Final = w, a
	a.begin(w.Header())
	return a
}

// begin puts the set on the answer.
func (a *answer) begin(h http.Header) {
	entries := a.set.over(a.https)
	for i := range entries {
		if i == inline {
			more := make([]string, len(entries)-inline)
			for j := range more {
				more[j] = entries[inline+j].value
				h[entries[inline+j].name] = more[j : j+1 : j+1]
			}
			break
		}
		a.values[i] = entries[i].value
		h[entries[i].name] = a.values[i : i+1 : i+1]
	}
	a.seen = a.set.finds(h, a.https) // an outer layer set headers too
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header {
	a.seen = true
	return a.ResponseWriter.Header()
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		a.hinted = true
	}
	a.Writer.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter {
	a.seen = true
	return a.ResponseWriter
}

// Hijack implements [http.Hijacker]. The header is made whole, for a handler
// that writes it to the connection itself.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := a.Writer.Hijack()
	if err == nil {
		a.Finish()
	}
	return conn, rw, err
}

// FinalHeader makes the set whole. It implements [respwriter.Finalizer]. A
// handler that never asked for the header map cannot have changed it.
func (a *answer) FinalHeader(h http.Header, status int) {
	if a.seen {
		a.set.complete(h, a.https, a.hinted)
		if a.set.finds(h, a.https) {
			for _, name := range a.set.remove {
				delete(h, name)
			}
			if len(h["Set-Cookie"]) > 0 {
				a.set.cookies.outgoing(h, a.in, a.https)
			}
		}
	}
	if a.set.nonced {
		a.set.finishNonce(h, status, a.seal())
	}
}

// answerContext is an answer as the context of its request.
type answerContext answer

type answerKey struct{}

// Deadline implements [context.Context].
func (c *answerContext) Deadline() (time.Time, bool) { return c.in.Context().Deadline() }

// Done implements [context.Context].
func (c *answerContext) Done() <-chan struct{} { return c.in.Context().Done() }

// Err implements [context.Context].
func (c *answerContext) Err() error { return c.in.Context().Err() }

// Value implements [context.Context].
func (c *answerContext) Value(key any) any {
	if key == (answerKey{}) {
		return (*answer)(c)
	}
	return c.in.Context().Value(key)
}

func answerFrom(ctx context.Context) (*answer, bool) {
	a, ok := ctx.Value(answerKey{}).(*answer)
	return a, ok
}

// Scheme returns "https" or "http", as the client reached this server, for
// cookies and absolute URLs; false if no [Headers.Handler] is around.
func Scheme(ctx context.Context) (string, bool) {
	a, ok := answerFrom(ctx)
	if !ok {
		return "", false
	}
	return decision{https: a.https}.scheme(), true
}

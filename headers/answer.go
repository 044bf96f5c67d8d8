package headers

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart/internal/respwriter"
)

// An answer is all that one request costs: the writer, the slots that the
// header map's slices point into, one for each entry of the set (none is shared
// with another request, so a handler that writes into one changes its own answer
// only), and the request with our context.
type answer struct {
	respwriter.Writer
	in     *http.Request
	set    *set                   // a Route replaces it
	nonce  atomic.Pointer[string] // set.noNonce once the header is out without one
	https  bool
	seen   bool // the header map may differ from what begin left
	hinted bool // an informational answer went out, and h held values of ours
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
		h[entries[i].name] = a.slot(i, entries[i].value)
	}
	strangers, cookies := a.set.beside(h, a.https)
	a.seen = strangers || cookies // an outer layer set headers too
}

// slot puts value into slot i.
func (a *answer) slot(i int, value string) []string {
	a.values[i] = value
	return a.values[i : i+1 : i+1]
}

// put makes entry i of the set the header's value, in its slot if it has one.
func (a *answer) put(h http.Header, i int, e *entry) {
	if i < inline {
		h[e.name] = a.slot(i, e.value)
	} else {
		h[e.name] = []string{e.value}
	}
}

// owns reports whether any value in h is one of our slots. Equal values prove
// nothing: a backend sends nosniff too.
func (a *answer) owns(h http.Header) bool {
	entries := a.set.over(a.https)
	for i := range min(len(entries), inline) {
		if got := h[entries[i].name]; len(got) > 0 && &got[0] == &a.values[i] {
			return true
		}
	}
	return false
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header {
	a.seen = true
	return a.Writer.Header()
}

// WriteHeader implements [http.ResponseWriter]. The whole map goes out with an
// informational answer too, and RFC 6265 section 3 lets user agents take a
// cookie from one.
func (a *answer) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		h := a.ResponseWriter.Header()
		if a.seen {
			a.harden(h)
		}
		a.hinted = a.owns(h)
	}
	a.Writer.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter {
	a.seen = true
	return a.ResponseWriter
}

// FinalHeader makes the set whole. It implements [respwriter.Finalizer]. A
// handler that never asked for the header map cannot have changed it.
func (a *answer) FinalHeader(h http.Header, status int) {
	if a.seen {
		a.harden(h)
	}
	if a.set.nonced {
		a.set.finishNonce(h, status, a.seal())
	}
}

// harden completes the set, removes what no answer may have and tightens
// cookies. Once more, it changes nothing.
func (a *answer) harden(h http.Header) {
	a.complete(h)
	strangers, cookies := a.set.beside(h, a.https)
	if strangers {
		if a.set.fold(h) {
			a.complete(h)
			cookies = len(h["Set-Cookie"]) > 0
		}
		for _, name := range a.set.remove {
			delete(h, name)
		}
	}
	if cookies {
		a.set.cookies.outgoing(h, a.in, a.https)
	}
}

// complete puts back what is missing, and makes two values of a single-value
// header ours. If our values were there when an informational answer went out
// and none is now, the map was emptied: httputil.ReverseProxy does that after a
// backend's 1xx. What it holds then are the backend's headers, which elsewhere
// are added to ours, and not what a handler set on purpose.
func (a *answer) complete(h http.Header) {
	entries := a.set.over(a.https)
	emptied := a.hinted && !a.owns(h)
	for i := range entries {
		e := &entries[i]
		got := h[e.name]
		switch {
		case !emptied && len(got) == 1 && got[0] != "" && got[0][0] > ' ': // most of them
		case emptied && e.list:
			h[e.name] = append([]string{e.value}, got...)
		case emptied, blank(got), len(got) > 1 && !e.list:
			a.put(h, i, e)
		}
	}
}

// blank reports whether nothing is left of lines once net/http has trimmed them.
func blank(lines []string) bool {
	for _, line := range lines {
		if line != "" && (line[0] > ' ' || strings.TrimSpace(line) != "") {
			return false
		}
	}
	return true
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

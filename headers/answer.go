package headers

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/ecolaura/rampart/internal/request"
)

// answer is what the layer keeps for one request. The header map's slices point
// into its slots, one for each entry of the set (none is shared with another
// request, so a handler that writes into one changes its own response only).
type answer struct {
	request.Base
	set    atomic.Pointer[set]    // a Route replaces it
	nonce  atomic.Pointer[string] // set.noNonce once the header is out without one
	values [inline]string
}

// Show implements [request.Layer]: a handler's Add adds to ours, its Set replaces
// them. What is there at first was chosen further out, and does not count.
func (a *answer) Show(h http.Header) {
	entries := a.set.Load().entries
	fresh := len(h) == 0 || a.values[0] == ""
	for i := range entries {
		if e := &entries[i]; fresh || len(h[e.name]) == 0 {
			a.put(h, i, e)
		}
	}
}

// Count implements [request.Layer].
func (a *answer) Count(h http.Header) int {
	entries := a.set.Load().entries
	for i := range entries {
		if got := h[entries[i].name]; len(got) != 1 || got[0] == "" || got[0][0] <= ' ' {
			return -1
		}
	}
	return len(entries)
}

// Final makes the set whole, removes what no response may have and tightens
// cookies. It implements [request.Layer].
func (a *answer) Final(w *request.Writer, h http.Header, status int, look request.Look) {
	s := a.set.Load()
	if status == request.Panicked { // what the handler chose was for a response that nobody gets
		for _, e := range s.entries {
			if !e.list {
				delete(h, e.name)
			}
		}
		look = request.Any
	}
	if look != request.Quiet {
		a.harden(s, w, h, look)
	}
	if s.nonced && status != request.Early {
		s.finishNonce(h, status, a.seal())
	}
}

func (a *answer) harden(s *set, w *request.Writer, h http.Header, look request.Look) {
	if look == request.Any {
		a.complete(s, h)
	}
	if s.fold(h) {
		a.complete(s, h)
	}
	for _, name := range s.remove {
		delete(h, name)
	}
	if len(h["Set-Cookie"]) > 0 {
		s.cookies.outgoing(w, h, s.https)
	}
}

// complete puts back what is missing, and makes two values of a single-value
// header ours.
func (a *answer) complete(s *set, h http.Header) {
	for i := range s.entries {
		e := &s.entries[i]
		switch got := h[e.name]; {
		case len(got) == 1 && got[0] != "" && got[0][0] > ' ': // most of them
		case blank(got), len(got) > 1 && !e.list:
			a.put(h, i, e)
		}
	}
}

// put makes entry i of the set the header's value, in its slot if it has one.
func (a *answer) put(h http.Header, i int, e *entry) {
	if i < inline {
		a.values[i] = e.value
		h[e.name] = a.values[i : i+1 : i+1]
	} else {
		h[e.name] = []string{e.value}
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

// Keys of the answer for a request, and of its writer, in a context.
type (
	answerKey struct{}
	writerKey struct{}
)

// Value implements [request.Layer].
func (a *answer) Value(w *request.Writer, key any) any {
	switch key {
	case answerKey{}:
		return a
	case writerKey{}:
		return w
	default:
		return nil
	}
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
	return decision{https: a.set.Load().https}.scheme(), true
}

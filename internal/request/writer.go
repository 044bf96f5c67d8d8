package request

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A Layer is what one of our layers does with one response.
type Layer interface {
	// Final completes h just before it goes out; h holds what the handler and the
	// layers further in have put. To do it again changes nothing. Status is that of
	// the response, 101 of one that was hijacked, or [Early] or [Panicked].
	Final(w *Writer, h http.Header, status int, look Look)

	// Show puts what a handler may change into h, where h has nothing yet.
	Show(h http.Header)

	// Count returns how many entries of h are those of Show, each in order, or -1.
	Count(h http.Header) int

	// Value is that of the layer in the context of a [Copy]; nil if it has none.
	Value(w *Writer, key any) any
}

// A Taker is a [Layer] that made its Writer and minds connections that a handler takes
// over: the handler gets what Take returns.
type Taker interface{ Take(conn net.Conn) net.Conn }

// Base is a [Layer] that does nothing, to be embedded by those that do less than
// all of it.
type Base struct{}

// Final implements [Layer].
func (Base) Final(*Writer, http.Header, int, Look) {}

// Show implements [Layer].
func (Base) Show(http.Header) {}

// Count implements [Layer].
func (Base) Count(http.Header) int { return 0 }

// Value implements [Layer].
func (Base) Value(*Writer, any) any { return nil }

const (
	// Early is the status of a header that is not the final one, or may not be:
	// informational, or out of our hands.
	Early = 0
	// Panicked is the status of a response that nobody has begun.
	Panicked = -1
)

// A Look says what there is to look for in a header.
type Look uint8

const (
	// Quiet is a header that holds what was shown, in order, and else only names
	// that no layer minds.
	Quiet Look = iota
	// Whole is a header in which what was shown is in order. It holds other names.
	Whole
	// Any may hold anything.
	Any
)

// A Kind is what a layer puts into a header or a context. A [Copy] has room for one
// value of each.
type Kind uint32

// The kinds.
const (
	ID Kind = 1 << iota
	Client
	Headers
	CORS
	Fields
	Vary
	Status
	Loud // with another kind: the layer minds names that are usual, or its own is not

	values = ID | Client | Headers
)

// usual returns names that handlers set, and that no layer minds unless it is [Loud].
func usual() [5]string {
	return [...]string{"Content-Type", "Content-Length", "Location", "Etag", "Last-Modified"}
}

// IsUsual reports whether handlers or other layers of ours often set name: one that
// minds it is [Loud].
func IsUsual(name string) bool {
	switch name {
	case "Vary", "X-Request-Id", "Ratelimit", "Ratelimit-Policy",
		"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers":
		return true
	}
	names := usual()
	return slices.Contains(names[:], name)
}

// A Writer calls every layer, the innermost first, just before the header goes
// out. The first of our layers makes it, as part of what it keeps for a request,
// and those further in join it. It is not used again: a goroutine that outlives its
// handler finds what it was given.
//
// Layers that a handler cannot see put nothing into the map before that. The set of
// headers is shown when the map is first asked for, so that a handler's Set, Add
// and Del mean what they say.
type Writer struct {
	http.ResponseWriter
	In     *http.Request // as it came to the first layer
	own    Layer
	guests atomic.Pointer[guest] // the innermost first
	kinds  atomic.Uint32

	stall   time.Duration // more than 0: each piece that is written has that long
	closing atomic.Bool   // the response closes the connection

	done     bool // the final header is out
	shown    bool
	open     bool // somebody has the writer below, and may write past us
	hijacked bool
}

// A guest is the place of a layer in the Writer of another one.
type guest struct {
	layer    Layer
	outer    *guest
	kind     Kind
	returned bool // its handler has, and may have responded nothing
	retired  bool // another one of its kind stands in its place
}

// The types of writers that say no more than what the writer below can do: behind
// http.TimeoutHandler an event stream or a WebSocket must fail at once, not hang.
type (
	flusher  struct{ Writer }
	hijacker struct{ flusher }
)

// of returns the Writer that w is, or nil.
func of(w http.ResponseWriter) *Writer {
	switch w := w.(type) { // never compared: a foreign writer may not be comparable
	case *hijacker:
		return &w.Writer
	case *flusher:
		return &w.Writer
	case *Writer:
		return w
	default:
		return nil
	}
}

// free returns the Writer that w is, if a layer can still join it.
func free(w http.ResponseWriter) *Writer {
	if found := of(w); found != nil && !found.done && !found.open {
		return found
	}
	return nil
}

// Abandon is for a guest that finds a panic under way: a recover that stands between
// it and the maker of the Writer responds with what the map then holds.
func Abandon(w http.ResponseWriter) {
	if found := of(w); found != nil {
		found.abandon()
	}
}

// Reshow makes a set of headers one of another kind. Hide takes it out of the map,
// where an informational response may have left it, too; if it has been shown, it is
// shown again.
func (w *Writer) Reshow(kind Kind, hide func(h http.Header)) {
	w.kinds.Or(uint32(kind))
	if w.done {
		return
	}
	h := w.ResponseWriter.Header()
	hide(h)
	if w.shown {
		w.shown = false
		w.show(h)
	}
}

// Context returns that of w.In with the values of every layer.
func (w *Writer) Context() context.Context { return &valueContext{w.In.Context(), w} }

type valueContext struct {
	context.Context //nolint:containedctx // it is a context

	w *Writer
}

// Value implements [context.Context].
func (c *valueContext) Value(key any) any { return c.w.value(key) }

// value asks every layer, the innermost first, and then the context around them.
func (w *Writer) value(key any) any {
	if key == (writerKey{}) {
		return w
	}
	for g := w.guests.Load(); g != nil; g = g.outer {
		if v := g.layer.Value(w, key); v != nil {
			return v
		}
	}
	if v := w.own.Value(w, key); v != nil {
		return v
	}
	return w.In.Context().Value(key)
}

// order completes h.
func (w *Writer) order(h http.Header, status int) {
	look := w.look(h)
	w.show(h)
	for g := w.guests.Load(); g != nil; g = g.outer {
		if !g.retired {
			g.layer.Final(w, h, status, look)
		}
	}
	w.own.Final(w, h, status, look)
	if status != Early && status != http.StatusSwitchingProtocols && w.closing.Load() {
		h.Set("Connection", "close")
	}
}

func (w *Writer) show(h http.Header) {
	if w.shown || Kind(w.kinds.Load())&Headers == 0 {
		return
	}
	w.shown = true
	for g := w.guests.Load(); g != nil; g = g.outer {
		g.layer.Show(h)
	}
	w.own.Show(h)
}

// look counts what h holds.
func (w *Writer) look(h http.Header) Look {
	if Kind(w.kinds.Load())&Loud != 0 {
		return Any
	}
	n := len(h)
	if w.shown {
		for g := w.guests.Load(); g != nil; g = g.outer {
			m := g.layer.Count(h)
			if m < 0 {
				return Any
			}
			n -= m
		}
		m := w.own.Count(h)
		if m < 0 {
			return Any
		}
		n -= m
	}
	for _, name := range usual() {
		if n == 0 {
			return Quiet
		}
		if _, ok := h[name]; ok {
			n--
		}
	}
	switch {
	case n == 0:
		return Quiet
	case w.shown:
		return Whole
	default:
		return Any
	}
}

func (w *Writer) abandon() {
	if !w.done {
		w.order(w.ResponseWriter.Header(), Panicked)
	}
}

func (w *Writer) final(status int) {
	if !w.done {
		w.done = true
		w.order(w.ResponseWriter.Header(), status)
	}
}

// Header implements [http.ResponseWriter].
func (w *Writer) Header() http.Header {
	h := w.ResponseWriter.Header()
	switch {
	case w.hijacked: // nothing tells which look is the last
		w.order(h, http.StatusSwitchingProtocols)
	case w.done:
	case w.open:
		w.order(h, Early)
	default:
		w.show(h)
	}
	return h
}

// WriteHeader implements [http.ResponseWriter]. The whole map goes out with an
// informational response too. httputil.ReverseProxy then empties it, so ours are
// shown anew.
func (w *Writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.final(status)
	} else if !w.done {
		w.order(w.ResponseWriter.Header(), Early)
		w.shown = false
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *Writer) Write(b []byte) (int, error) {
	w.final(http.StatusOK)
	if w.stall > 0 {
		return w.writePieces(b)
	}
	return w.ResponseWriter.Write(b)
}

// WriteString implements [io.StringWriter].
func (w *Writer) WriteString(s string) (int, error) {
	w.final(http.StatusOK)
	if w.stall > 0 {
		return w.writePieces([]byte(s))
	}
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements [io.ReaderFrom], so that sendfile stays in reach.
func (w *Writer) ReadFrom(src io.Reader) (int64, error) {
	w.final(http.StatusOK)
	if w.stall > 0 {
		return w.copyPieces(src)
	}
	return io.Copy(w.ResponseWriter, src)
}

// FlushError is what [http.ResponseController] calls. Every Writer has it: the
// controller would unwrap one without, and flush a header that is not final.
func (w *Writer) FlushError() error {
	w.final(http.StatusOK)
	if w.stall > 0 {
		w.allow(w.stall)
		defer w.allow(0)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// SetReadDeadline is what [http.ResponseController] calls. It and the two below have
// nothing to do with the header, and may come from another goroutine than the
// handler's, such as one that reads the body: they must not get here by Unwrap.
func (w *Writer) SetReadDeadline(deadline time.Time) error {
	return http.NewResponseController(w.ResponseWriter).SetReadDeadline(deadline)
}

// SetWriteDeadline is what [http.ResponseController] calls.
func (w *Writer) SetWriteDeadline(deadline time.Time) error {
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline)
}

// EnableFullDuplex is what [http.ResponseController] calls.
func (w *Writer) EnableFullDuplex() error {
	return http.NewResponseController(w.ResponseWriter).EnableFullDuplex()
}

// Unwrap is for [http.ResponseController]. Who has the writer below can write the
// header past us, so it is put in order now, and again whenever we see it.
func (w *Writer) Unwrap() http.ResponseWriter {
	if !w.done && !w.open {
		w.open = true
		w.order(w.ResponseWriter.Header(), Early)
	}
	return w.ResponseWriter
}

// Flush implements [http.Flusher].
func (w *flusher) Flush() { _ = w.FlushError() }

// Hijack implements [http.Hijacker]. Who hijacks writes the header to the
// connection itself, from the map that it holds already or asks for afterwards:
// httputil.ReverseProxy, at a protocol switch, asks once to add the backend's
// header and once more to write it all.
func (w *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.hijacked = true
		_ = w.Header()
		if taker, ok := w.own.(Taker); ok {
			conn = taker.Take(conn)
		}
	}
	return conn, rw, err
}

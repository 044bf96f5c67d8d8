package request

import (
	"io"
	"math"
	"net/http"
	"os"
	"sync"
	"time"
)

// piece is how much is written under one deadline.
const piece = 64 << 10

// Pace has next respond to r with no deadline but that each piece of the response
// is taken within stall. A request that is read has no read deadline either: net/http
// would cancel its context then.
func Pace(next http.Handler, w http.ResponseWriter, r *http.Request, stall time.Duration) {
	_, place := Join[Base](w, r, 0)
	paced := of(w)
	if place.own != nil {
		paced = &place.own.Writer
	}
	paced.stall = stall
	paced.allow(0)
	defer func() {
		paced.stall = 0
		paced.allow(stall) // for what net/http holds until the handler returns
	}()
	if r.Body == nil || r.ContentLength == 0 {
		_ = paced.SetReadDeadline(time.Time{})
	} else {
		body := &untilEOF{ReadCloser: r.Body, w: paced}
		defer body.leave()
		r.Body = body
	}
	place.Serve(next, w, r)
}

// allow gives writes that long from now, or for ever if it is 0.
func (w *Writer) allow(d time.Duration) {
	if w.hijacked { // the connection is its new owner's
		return
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = w.SetWriteDeadline(deadline) // a writer that knows no deadlines has none to be moved
}

func (w *Writer) writePieces(b []byte) (n int, err error) {
	defer w.allow(0) // HTTP/2 resets a stream at its deadline, even if nothing waits to be written
	for {
		w.allow(w.stall)
		m, err := w.ResponseWriter.Write(b[n:min(n+piece, len(b))])
		n += m
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// copyPieces copies so that sendfile stays in reach: net/http looks for a file right
// behind one [io.LimitedReader]. Any other source may have nothing for long, which is
// no fault of the client.
func (w *Writer) copyPieces(src io.Reader) (n int64, err error) {
	all, ok := src.(*io.LimitedReader)
	if !ok {
		all = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	if !atHand(all.R) {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	defer w.allow(0)
	for all.N > 0 {
		w.allow(w.stall)
		m, err := io.Copy(w.ResponseWriter, &io.LimitedReader{R: all.R, N: min(piece, all.N)})
		n += m
		all.N -= m
		if err != nil || m < piece {
			return n, err
		}
	}
	return n, nil
}

// atHand reports whether src is a file, but no pipe.
func atHand(src io.Reader) bool {
	f, ok := src.(*os.File)
	if !ok {
		return false
	}
	is, err := f.Stat()
	return err == nil && is.Mode().IsRegular()
}

// untilEOF lifts the read deadline at the end of a body. Afterwards the connection may
// serve another request, and in HTTP/2 the response is gone: a goroutine that outlives
// the handler moves nothing.
type untilEOF struct {
	io.ReadCloser

	mu sync.Mutex
	w  *Writer // nil once the handler has returned
}

// Read implements [io.Reader].
func (b *untilEOF) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.w != nil {
			_ = b.w.SetReadDeadline(time.Time{})
		}
	}
	return n, err
}

func (b *untilEOF) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.w = nil
}

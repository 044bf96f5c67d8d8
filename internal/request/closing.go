package request

import (
	"errors"
	"io"
	"net/http"
)

// writerKey is the key of the innermost [Writer] in a context.
type writerKey struct{}

// CloseAfter has the response to r close its connection, for one that gives up on a
// body: net/http would first wait for up to 256 KiB of it. Only on HTTP/1: in HTTP/2
// a body ends with its stream, and net/http would send a GOAWAY for the field.
func CloseAfter(w http.ResponseWriter, r *http.Request) {
	if w != nil && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// MaxBytes is [http.MaxBytesReader] of the body of r. That closes the connection of a
// longer one only if w is net/http's own, and then writes the header while another
// goroutine may do so, too; here the Writer of r closes it.
func MaxBytes(w http.ResponseWriter, r *http.Request, most int64) io.ReadCloser {
	ours := of(w)
	if ours == nil { // a foreign one stands between
		ours, _ = r.Context().Value(writerKey{}).(*Writer)
	}
	if ours == nil {
		return http.MaxBytesReader(w, r.Body, most)
	}
	return &bounded{http.MaxBytesReader(nil, r.Body, most), ours}
}

type bounded struct {
	io.ReadCloser
	w *Writer
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok && b.w.In.ProtoMajor == 1 {
		b.w.closing.Store(true)
	}
	return n, err
}

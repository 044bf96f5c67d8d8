package sanitize

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"

	"github.com/ecolaura/rampart"
)

// read appends the body of r to buf, decompressed, or says what is wrong with
// it. It never holds more than MaxBody+1 bytes of it.
func (l *Limits) read(w http.ResponseWriter, r *http.Request, buf []byte, gzipped bool) ([]byte, *rampart.Problem) {
	if r.ContentLength > l.MaxBody {
		return buf, tooLarge()
	}
	if r.Body == nil { // a request that was not made by a server
		return buf, nil
	}
	var src io.Reader = http.MaxBytesReader(w, r.Body, l.MaxBody) // also has the connection closed, so that the rest is not read
	if gzipped {
		inflated, err := gzip.NewReader(src)
		if err != nil {
			return buf, readProblem(err)
		}
		src = io.LimitReader(inflated, l.MaxBody+1)
	}
	if want := min(r.ContentLength, 64<<10) + 1; int64(cap(buf)-len(buf)) < want { // a promise of more has to be kept first
		buf = append(make([]byte, 0, int64(len(buf))+want), buf...)
	}
	for {
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > l.MaxBody:
			return buf, tooLarge()
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, readProblem(err)
		}
		if len(buf) == cap(buf) {
			// Not beyond the limit, so that all buffers together are less than twice that.
			grown := make([]byte, len(buf), min(max(4*int64(len(buf)), 512), l.MaxBody+1))
			copy(grown, buf)
			buf = grown
		}
	}
}

func readProblem(err error) *rampart.Problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	return unreadable(rampart.FieldError{Pointer: "#", Code: CodeSyntax, Detail: "The request body could not be read."})
}

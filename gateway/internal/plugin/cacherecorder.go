package plugin

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A cacheRecorder passes a response on, and keeps a copy that may be stored. Its
// header is what comes from further in, without what layers outside have set.
type cacheRecorder struct {
	http.ResponseWriter
	*caching
	r      *http.Request
	status string // for X-Cache-Status

	header http.Header
	code   int
	stored *Cached // nil: it will not be
}

// Header implements http.ResponseWriter.
func (w *cacheRecorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Responses before the final one are
// left out, as any proxy may.
func (w *cacheRecorder) WriteHeader(status int) {
	if w.code != 0 || status < 200 {
		return
	}
	w.code = status
	now := time.Now()
	ttl, d := w.storable(status, w.header, now)
	if ttl > 0 {
		w.stored = &Cached{
			Plugin: w.id, Status: status, Header: w.header.Clone(), Stored: now, TTL: ttl,
			Keep:       max(ttl, time.Duration(w.StorageTTL)*time.Second),
			revalidate: d.has("must-revalidate") || d.has("proxy-revalidate") || d.has("s-maxage"),
		}
		for _, name := range slices.Sorted(maps.Keys(varied(w.header))) {
			w.stored.vary = append(w.stored.vary, name, joined(w.r.Header, name))
		}
	} else {
		w.status = "Bypass"
	}
	merge(w.ResponseWriter.Header(), w.header)
	w.tell(w.ResponseWriter, w.status)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *cacheRecorder) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	switch {
	case w.stored == nil:
	case err != nil || len(w.stored.Body)+n > maxBody:
		w.stored = nil
	default:
		w.stored.Body = append(w.stored.Body, p[:n]...)
	}
	return n, err
}

// FlushError sends what has been written.
func (w *cacheRecorder) FlushError() error {
	if w.code == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *cacheRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// finish stores a response that is whole.
func (w *cacheRecorder) finish(key string, asked time.Time) {
	if w.code == 0 { // a handler that wrote nothing
		w.WriteHeader(http.StatusOK)
	}
	c := w.stored
	if c == nil || w.r.Context().Err() != nil {
		return
	}
	if n := c.Header.Get("Content-Length"); n != "" && w.r.Method != http.MethodHead && n != strconv.Itoa(len(c.Body)) {
		return
	}
	c.Key, c.address, c.Body = key, address(w.r), slices.Clip(c.Body)
	c.Stored = asked // it may have been made then (RFC 9111 section 4.2.3)
	w.store.store(c)
}

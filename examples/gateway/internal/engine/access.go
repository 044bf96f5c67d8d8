package engine

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/examples/gateway/internal/call"
)

// An AccessLog writes one JSON line for each request. Lines may wait for as
// long as flushEvery.
type AccessLog struct {
	log  *slog.Logger
	out  *syncWriter
	stop chan struct{}
	done chan struct{}
}

const flushEvery = 200 * time.Millisecond

// NewAccessLog returns an AccessLog on w; end it with Close.
func NewAccessLog(w io.Writer) *AccessLog {
	out := &syncWriter{w: bufio.NewWriterSize(w, 64<<10)}
	a := &AccessLog{out: out, stop: make(chan struct{}), done: make(chan struct{})}
	a.log = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, at slog.Attr) slog.Attr {
		if len(groups) == 0 && (at.Key == slog.LevelKey || at.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return at
	}}))
	go func() {
		defer close(a.done)
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-a.stop:
				out.flush()
				return
			case <-tick.C:
				out.flush()
			}
		}
	}()
	return a
}

// Close writes what waits.
func (a *AccessLog) Close() {
	if a != nil {
		close(a.stop)
		<-a.done
	}
}

// record writes the line of a request. Paths are without their query, which may
// hold keys.
func (a *AccessLog) record(r *http.Request, c *call.Call, w *recorder, took time.Duration) {
	if a == nil {
		return
	}
	id, _ := rampart.RequestIDFrom(r.Context())
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("request_id", id),
		slog.String("client", c.Client.String()),
		rampart.Text("method", r.Method),
		rampart.Text("host", r.Host),
		rampart.Text("path", r.URL.Path),
		slog.Int("status", w.status),
		slog.Int64("bytes", w.sent),
		slog.Float64("ms", float64(took.Microseconds())/1000),
	)
	if c.Route != nil {
		attrs = append(attrs, slog.String("service", c.Service.Name), slog.String("route", c.Route.Name))
	}
	if c.Consumer != nil {
		attrs = append(attrs, slog.String("consumer", c.Consumer.ID))
	}
	if c.Target != "" {
		attrs = append(attrs, slog.String("target", c.Target), slog.Int("tries", c.Tries),
			slog.Float64("upstream_ms", float64(c.Upstream.Microseconds())/1000))
	}
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "", attrs...)
}

// syncWriter is a buffer that several goroutines write to.
type syncWriter struct {
	mu sync.Mutex
	w  *bufio.Writer
}

// Write implements io.Writer.
func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

func (s *syncWriter) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.w.Flush() // there is nobody left to tell
}

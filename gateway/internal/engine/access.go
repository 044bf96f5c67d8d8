package engine

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
)

// An AccessLog writes one JSON line for each request. Lines may wait for as
// long as flushEvery.
type AccessLog struct {
	mu    sync.Mutex
	w     *bufio.Writer
	line  []byte
	stop  chan struct{}
	ended chan struct{}
}

const flushEvery = 200 * time.Millisecond

// NewAccessLog returns an AccessLog on w; end it with Close.
func NewAccessLog(w io.Writer) *AccessLog {
	a := &AccessLog{w: bufio.NewWriterSize(w, 64<<10), stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-a.stop:
				a.flush()
				return
			case <-tick.C:
				a.flush()
			}
		}
	}()
	return a
}

// Close writes what waits.
func (a *AccessLog) Close() {
	if a != nil {
		close(a.stop)
		<-a.ended
	}
}

func (a *AccessLog) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.w.Flush() // an error has nowhere to go
}

// record writes the line of a request. Paths are without their query, which may
// hold keys.
func (a *AccessLog) record(r *http.Request, c *call.Call, w *recorder, took time.Duration) {
	if a == nil {
		return
	}
	id, _ := rampart.RequestIDFrom(r.Context())
	a.mu.Lock()
	defer a.mu.Unlock()
	b := append(a.line[:0], `{"time":"`...)
	b = c.Start.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, `","request_id":`...)
	b = quoted(b, id)
	b = append(b, `,"client":"`...)
	b = c.Client.AppendTo(b)
	b = append(b, `","method":`...)
	b = quoted(b, r.Method)
	b = append(b, `,"host":`...)
	b = quoted(b, r.Host)
	b = append(b, `,"path":`...)
	b = quoted(b, c.Path)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, w.sent, 10)
	b = append(b, `,"ms":`...)
	b = millis(b, took)
	if c.Route != nil {
		if c.Service != nil {
			b = append(b, `,"service":`...)
			b = quoted(b, c.Service.Name)
		}
		b = append(b, `,"route":`...)
		b = quoted(b, c.Route.Name)
	}
	if c.Consumer != nil {
		b = append(b, `,"consumer":`...)
		b = quoted(b, c.Consumer.ID)
	}
	if c.Target != "" {
		b = append(b, `,"target":`...)
		b = quoted(b, c.Target)
		b = append(b, `,"tries":`...)
		b = strconv.AppendInt(b, int64(c.Tries), 10)
		b = append(b, `,"upstream_ms":`...)
		b = millis(b, c.Upstream)
	}
	a.line = append(b, "}\n"...)
	_, _ = a.w.Write(a.line) // as above
}

func millis(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d.Microseconds())/1000, 'f', -1, 64)
}

// maxText is how much of a client's text gets into a line.
const maxText = 1024

// quoted appends s as a JSON string in printable ASCII: text of a client can
// neither forge nor hide a line.
func quoted(b []byte, s string) []byte {
	if len(s) > maxText {
		s = s[:maxText]
	}
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

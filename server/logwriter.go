package server

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// LogWriterConfig configures a [LogWriter].
type LogWriterConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// To is where the records go, such as [os.Stderr], one Write each. Required.
	To io.Writer

	// MaxBytes is how much may wait to be written, counting 16 bytes more for each
	// record; 0 means 1 MiB. It costs up to three times as much memory. A record that
	// is longer is always dropped.
	MaxBytes int

	// Lost, if not nil, is told how many records were dropped since it was last
	// told, once there is room again, so that the log itself can say it. It runs on the
	// LogWriter's goroutine, which writes nothing until it returns: so it may write to
	// To itself. What it writes to the LogWriter can be dropped as any record can, and
	// its count is not told again.
	Lost func(n uint64)
}

// A LogWriter stands between a log handler and a destination that may stall, such as
// a pipe whose reader hangs: without it every request that logs would wait for the
// reader. Records that come while the queue is full are dropped and counted, and from
// then on all, until half of it has been written. It is safe for concurrent use.
// Create one with [NewLogWriter], and call [LogWriter.Close] last; the zero value
// drops everything.
type LogWriter struct {
	to   io.Writer
	max  int
	lost func(uint64)
	wake chan struct{} // something has been queued, or Close called
	done chan struct{} // closed as the goroutine ends

	mu      sync.Mutex
	queue   records
	busy    int    // records that are being written
	size    int    // bytes that are not written yet, of the queue and what is being written
	full    bool   // nothing is taken until there is room
	dropped uint64 // in all
	told    uint64 // of them
	closing bool
	closed  bool // nothing is taken any more
	left    bool // nothing is written any more
}

// overhead is what a record costs beside its text.
const overhead = 16

// records are whole records, one behind the other.
type records struct {
	bytes []byte
	ends  []int
}

// NewLogWriter returns a LogWriter for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined. It starts a goroutine, which ends with
// [LogWriter.Close].
func NewLogWriter(cfg LogWriterConfig) (*LogWriter, error) {
	bad := conferr.For("server.LogWriterConfig")
	bad.If(cfg.To == nil, "To", rampart.ReasonMissing, nil, "give a writer such as os.Stderr")
	bad.If(cfg.MaxBytes < 0, "MaxBytes", rampart.ReasonInvalid, cfg.MaxBytes, "use 1 byte or more; 0 means 1 MiB")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	w := &LogWriter{to: cfg.To, max: cfg.MaxBytes, lost: cfg.Lost, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if w.max == 0 {
		w.max = 1 << 20
	}
	go w.run()
	return w, nil
}

// Write queues a copy of p, a whole record, or drops it; it never waits for the
// destination, and always returns len(p) and nil.
func (w *LogWriter) Write(p []byte) (int, error) {
	cost := len(p) + overhead
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to == nil || w.closed || cost > w.max {
		w.dropped++
		return len(p), nil
	}
	if w.full = w.full || w.size+cost > w.max; w.full {
		w.dropped++
		return len(p), nil
	}
	w.size += cost
	w.queue.bytes = append(w.queue.bytes, p...)
	w.queue.ends = append(w.queue.ends, len(w.queue.bytes))
	if len(w.queue.ends) == 1 {
		w.wakeUp()
	}
	return len(p), nil
}

// Dropped returns how many records were lost so far: dropped, or not taken by the
// destination.
func (w *LogWriter) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Close writes what waits, and reports the losses not told yet, until ctx ends; then
// it counts the rest as lost and returns an error that wraps that of ctx. Whatever is
// written after it is dropped. It does not close the destination.
func (w *LogWriter) Close(ctx context.Context) error {
	if w.to == nil {
		return nil
	}
	w.mu.Lock()
	w.closing = true
	w.wakeUp()
	w.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.dropped
	w.closed, w.left = true, true
	w.dropped += uint64(w.busy + len(w.queue.ends)) //nolint:gosec // neither is negative
	w.busy, w.queue = 0, records{}
	return fmt.Errorf("server: the log's destination does not take %d records: %w", w.dropped-before, ctx.Err())
}

// wakeUp tells the goroutine that there is something to do.
func (w *LogWriter) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default: // it knows
	}
}

func (w *LogWriter) run() {
	defer close(w.done)
	var batch records
	for {
		w.mu.Lock()
		batch, w.queue = w.queue, records{batch.bytes[:0], batch.ends[:0]}
		w.busy = len(batch.ends)
		last := w.closing
		w.mu.Unlock()
		w.write(batch)
		switch {
		case last:
			w.tell(true)
			w.mu.Lock()
			w.closed, w.busy = true, len(w.queue.ends)
			batch, w.queue = w.queue, records{}
			w.mu.Unlock()
			w.write(batch)
			return
		case len(batch.ends) == 0:
			<-w.wake
		}
	}
}

// write writes each record of a batch, unless Close has given up meanwhile.
func (w *LogWriter) write(batch records) {
	from := 0
	for _, end := range batch.ends {
		n, err := w.to.Write(batch.bytes[from:end])
		ok := err == nil && n == end-from
		w.mu.Lock()
		if w.left {
			w.mu.Unlock()
			return
		}
		w.busy--
		w.size -= end - from + overhead
		w.full = w.full && w.size > w.max/2
		if !ok {
			w.dropped++
		}
		w.mu.Unlock()
		from = end
		w.tell(ok)
	}
}

// tell reports the losses not told yet, if the destination takes records and there is
// room for one that says it.
func (w *LogWriter) tell(ok bool) {
	w.mu.Lock()
	n := w.dropped - w.told
	if w.lost == nil || n == 0 || !ok || w.full || w.left {
		w.mu.Unlock()
		return
	}
	w.told = w.dropped
	w.mu.Unlock()
	w.lost(n)
}

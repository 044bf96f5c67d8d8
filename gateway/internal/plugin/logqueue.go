package plugin

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// Queue says how entries of a log wait, as Kong's queues do. Times are in
// seconds.
type Queue struct {
	MaxBatchSize       int     `k:"max_batch_size"`
	MaxCoalescingDelay float64 `k:"max_coalescing_delay"` // of an entry, for others to come
	MaxEntries         int     `k:"max_entries"`
	MaxBytes           int     `k:"max_bytes"` // 0: maxQueued
	InitialRetryDelay  float64 `k:"initial_retry_delay"`
	MaxRetryDelay      float64 `k:"max_retry_delay"`
	MaxRetryTime       float64 `k:"max_retry_time"` // then a batch is lost
}

// maxQueued bounds what one queue holds in any case, in bytes.
const maxQueued = 64 << 20

func newQueue() Queue {
	return Queue{MaxBatchSize: 1, MaxCoalescingDelay: 1, MaxEntries: 10000, InitialRetryDelay: 0.01, MaxRetryDelay: 60, MaxRetryTime: 60}
}

// Inert names what Kong has and this gateway has not.
func (*Queue) Inert() map[string]string {
	return map[string]string{"name": "*", "concurrency_limit": "1"}
}

func (q *Queue) check(c *conf.Checks) {
	c.Within("config.queue.max_batch_size", q.MaxBatchSize, 1, 1000000)
	c.Within("config.queue.max_entries", q.MaxEntries, 1, 1000000)
	c.Within("config.queue.max_bytes", q.MaxBytes, 0, maxQueued)
	for _, t := range []struct {
		name string
		at   float64
		most float64
	}{{"max_coalescing_delay", q.MaxCoalescingDelay, 3600}, {"initial_retry_delay", q.InitialRetryDelay, 3600}, {"max_retry_delay", q.MaxRetryDelay, 3600}, {"max_retry_time", q.MaxRetryTime, 86400}} {
		c.Want(t.at >= 0 && t.at <= t.most, "config.queue."+t.name, "must be from 0 to %g", t.most)
	}
	c.Want(q.InitialRetryDelay >= 0.001, "config.queue.initial_retry_delay", "must be at least 0.001")
}

// drain is how long a queue that ends may still send.
const drain = 2 * time.Second

// A logQueue sends entries in batches, in a goroutine of its own. When it is full
// the oldest entries are lost, as in Kong. Each loss is counted.
type logQueue struct {
	cfg    Queue
	send   func(context.Context, [][]byte) error
	report func(outcome string, n int)
	log    *slog.Logger

	mu      sync.Mutex
	waiting [][]byte
	bytes   int

	wake  chan struct{} // an entry has come
	stop  chan struct{}
	ended chan struct{}
	halt  context.CancelFunc

	lost   int // since the last line about it; of run
	lostAt time.Time
}

// newLogQueue returns a queue that runs until close. report gets the numbers of
// entries that were sent or lost.
func newLogQueue(cfg Queue, log *slog.Logger, report func(string, int), send func(context.Context, [][]byte) error) *logQueue {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = maxQueued
	}
	q := &logQueue{
		cfg: cfg, send: send, report: report, log: log,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	ctx, halt := context.WithCancel(context.Background())
	q.halt = halt
	go q.run(ctx)
	return q
}

// close sends what waits, for as long as drain.
func (q *logQueue) close() {
	close(q.stop)
	late := time.AfterFunc(drain, q.halt)
	<-q.ended
	late.Stop()
	q.halt()
}

// add never waits.
func (q *logQueue) add(entry []byte) {
	q.mu.Lock()
	lost := 0
	for len(q.waiting) > 0 && (len(q.waiting) >= q.cfg.MaxEntries || q.bytes+len(entry) > q.cfg.MaxBytes) {
		q.bytes -= len(q.waiting[0])
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		lost++
	}
	if len(entry) > q.cfg.MaxBytes {
		lost++
	} else {
		q.waiting, q.bytes = append(q.waiting, entry), q.bytes+len(entry)
	}
	q.mu.Unlock()
	if lost > 0 {
		q.report("lost", lost)
	}
	select {
	case q.wake <- struct{}{}:
	default: // it is awake
	}
}

// take returns a batch; none if nothing waits.
func (q *logQueue) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), q.cfg.MaxBatchSize)
	batch := slices.Clone(q.waiting[:n])
	clear(q.waiting[:n])
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	for _, e := range batch {
		q.bytes -= len(e)
	}
	return batch
}

func (q *logQueue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) >= q.cfg.MaxBatchSize
}

func (q *logQueue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0
}

func (q *logQueue) run(ctx context.Context) {
	defer close(q.ended)
	for {
		stopped := q.wait()
		for batch := q.take(); len(batch) > 0; batch = q.take() {
			q.deliver(ctx, batch)
			if !stopped && !q.full() {
				break // what is left may wait for others
			}
		}
		if stopped {
			return
		}
	}
}

// wait returns when there is a batch: a full one, or one that has waited. It
// reports whether the queue is to end.
func (q *logQueue) wait() (stopped bool) {
	for q.empty() {
		select {
		case <-q.wake:
		case <-q.stop:
			return true
		}
	}
	patience := time.NewTimer(conf.Seconds(q.cfg.MaxCoalescingDelay))
	defer patience.Stop()
	for !q.full() {
		select {
		case <-q.wake:
		case <-patience.C:
			return false
		case <-q.stop:
			return true
		}
	}
	return false
}

// deliver tries until it has sent a batch, or MaxRetryTime is over. A queue that
// ends tries once more.
func (q *logQueue) deliver(ctx context.Context, batch [][]byte) {
	begin, delay := time.Now(), conf.Seconds(q.cfg.InitialRetryDelay)
	for {
		err := q.send(ctx, batch)
		if err == nil {
			q.report("sent", len(batch))
			return
		}
		if ctx.Err() != nil || time.Since(begin)+delay > conf.Seconds(q.cfg.MaxRetryTime) {
			q.lose(ctx, len(batch), err)
			return
		}
		select {
		case <-q.stop:
			if err = q.send(ctx, batch); err == nil {
				q.report("sent", len(batch))
			} else {
				q.lose(ctx, len(batch), err)
			}
			return
		case <-time.After(delay):
		}
		delay = min(2*delay, conf.Seconds(q.cfg.MaxRetryDelay))
	}
}

// lose counts what is lost, and says so every ten seconds at most.
func (q *logQueue) lose(ctx context.Context, n int, err error) {
	q.report("lost", n)
	q.lost += n
	if time.Since(q.lostAt) < 10*time.Second {
		return
	}
	q.log.WarnContext(ctx, "entries of a log are lost", slog.Int("entries", q.lost), slog.String("error", err.Error()))
	q.lost, q.lostAt = 0, time.Now()
}

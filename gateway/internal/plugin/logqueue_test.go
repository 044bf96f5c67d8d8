package plugin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// sink is where a queue sends to. Its queue's goroutine writes, and the test reads.
type sink struct {
	mu      sync.Mutex
	batches []string
	at      []time.Duration // since begin
	begin   time.Time
	fail    int // how many sends more
	counts  map[string]int
	log     bytes.Buffer
}

func (s *sink) queue(change func(*Queue)) *logQueue {
	cfg := newQueue()
	change(&cfg)
	s.begin, s.counts = time.Now(), map[string]int{}
	return newLogQueue(cfg, slog.New(slog.NewTextHandler(&s.log, nil)), func(outcome string, n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counts[outcome] += n
	},
		func(_ context.Context, batch [][]byte) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.at = append(s.at, time.Since(s.begin))
			if s.fail != 0 {
				s.fail--
				return errors.New("no")
			}
			s.batches = append(s.batches, string(bytes.Join(batch, []byte{','})))
			return nil
		})
}

func (s *sink) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches)
}

func (s *sink) counted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

func TestEntriesGoInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		q := s.queue(func(q *Queue) { q.MaxBatchSize, q.MaxCoalescingDelay = 3, 2 })
		for e := range strings.SplitSeq("abcde", "") {
			q.add([]byte(e))
		}
		synctest.Wait()
		assert.Equal(t, []string{"a,b,c"}, s.sent(), "a full batch goes at once")
		time.Sleep(1900 * time.Millisecond)
		synctest.Wait()
		assert.Len(t, s.sent(), 1)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"a,b,c", "d,e"}, s.sent(), "the rest when it has waited")
		q.add([]byte("f"))
		q.close()
		assert.Equal(t, []string{"a,b,c", "d,e", "f"}, s.sent(), "the end sends what waits")
		assert.Equal(t, map[string]int{"sent": 6}, s.counted())
	})
}

func TestABatchIsTriedAgainWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: 4}
		q := s.queue(func(q *Queue) { q.InitialRetryDelay, q.MaxRetryDelay = 1, 3 })
		q.add([]byte("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"a"}, s.sent())
		assert.Equal(t, []time.Duration{0, time.Second, 3 * time.Second, 6 * time.Second, 9 * time.Second}, s.at)
		q.close()
	})
}

func TestABatchThatCannotBeSentIsLostAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: -1}
		q := s.queue(func(q *Queue) { q.MaxRetryTime, q.InitialRetryDelay = 5, 1 })
		q.add([]byte("a"))
		q.add([]byte("b"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		assert.Equal(t, map[string]int{"lost": 2}, s.counted())
		assert.Equal(t, 1, strings.Count(s.log.String(), "entries of a log are lost"), s.log.String())
		q.add([]byte("c"))
		time.Sleep(500 * time.Millisecond)
		begin := time.Now()
		q.close()
		assert.LessOrEqual(t, time.Since(begin), drain, "the end does not wait for a server that fails")
		assert.Equal(t, map[string]int{"lost": 3}, s.counted())
	})
}

func TestAFullQueueLosesTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: 1}
		q := s.queue(func(q *Queue) { q.MaxEntries, q.InitialRetryDelay, q.MaxBytes = 3, 10, 10 })
		q.add([]byte("0"))
		synctest.Wait() // it is being sent
		for e := range strings.SplitSeq("abcde", "") {
			q.add([]byte(e))
		}
		q.add([]byte("too long to be kept"))
		q.add([]byte("12345678"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		q.close()
		assert.Equal(t, map[string]int{"sent": 2, "lost": 6}, s.counted())
		assert.Equal(t, []string{"0", "12345678"}, s.sent())
	})
}

func TestAQueueHoldsOnlySoManyEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: 1}
		q := s.queue(func(q *Queue) { q.MaxEntries, q.InitialRetryDelay = 2, 10 })
		q.add([]byte("0"))
		synctest.Wait() // it is being sent
		for e := range strings.SplitSeq("abcd", "") {
			q.add([]byte(e))
		}
		time.Sleep(20 * time.Second)
		q.close()
		assert.Equal(t, []string{"0", "c", "d"}, s.sent())
		assert.Equal(t, map[string]int{"sent": 3, "lost": 2}, s.counted())
	})
}

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/server"
)

func newLogWriter(t testing.TB, cfg server.LogWriterConfig) *server.LogWriter {
	t.Helper()
	w, err := server.NewLogWriter(cfg)
	require.NoError(t, err)
	return w
}

// A gate is a destination that takes a record for each permit.
type gate struct {
	permits chan error
	mu      sync.Mutex
	got     []string
	short   bool // the next record is taken by half
}

func (g *gate) Write(p []byte) (int, error) {
	if err := <-g.permits; err != nil {
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.short {
		g.short = false
		return len(p) / 2, nil
	}
	g.got = append(g.got, string(p))
	return len(p), nil
}

func (g *gate) records() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got
}

func TestALogWriterWritesWholeRecordsInOrder(t *testing.T) {
	g := &gate{permits: make(chan error)}
	close(g.permits)
	w := newLogWriter(t, server.LogWriterConfig{To: g})
	var want []string
	buf := make([]byte, 0, 64)
	for i := range 2000 {
		buf = fmt.Appendf(buf[:0], "record %d\n", i) // the caller uses its buffer again
		want = append(want, string(buf))
		n, err := w.Write(buf)
		require.NoError(t, err)
		require.Equal(t, len(buf), n)
	}
	require.NoError(t, w.Close(t.Context()))
	assert.Equal(t, want, g.records())
	assert.Zero(t, w.Dropped())
	_, err := w.Write([]byte("late"))
	require.NoError(t, err)
	assert.EqualValues(t, 1, w.Dropped(), "what is written after Close is dropped")
	assert.NoError(t, w.Close(t.Context()), "twice is once")
}

func TestAFullLogWriterDropsCountsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{permits: make(chan error, 100)}
		var w *server.LogWriter
		w = newLogWriter(t, server.LogWriterConfig{
			To: g, MaxBytes: 100, // 5 records of 4 bytes and 16 each
			Lost: func(n uint64) { fmt.Fprintf(w, "-%03d", n) },
		})
		put := func(names ...string) {
			for _, name := range names {
				_, _ = w.Write([]byte(name))
			}
			synctest.Wait()
		}
		permit := func(n int) {
			for range n {
				g.permits <- nil
			}
			synctest.Wait()
		}
		put("aaaa", "bbbb", "cccc", "dddd", "eeee")
		assert.Zero(t, w.Dropped())
		put("ffff", "gggg")
		assert.EqualValues(t, 2, w.Dropped())
		permit(2)
		put("hhhh")
		assert.EqualValues(t, 3, w.Dropped(), "it takes records again when half of the queue is written")
		permit(1)
		put("iiii")
		assert.EqualValues(t, 3, w.Dropped())
		put(strings.Repeat("x", 85))
		assert.EqualValues(t, 4, w.Dropped(), "one that is too long is dropped, and no other for it")
		put("jjjj")
		permit(20)
		assert.Equal(t, []string{"aaaa", "bbbb", "cccc", "dddd", "eeee", "-003", "iiii", "jjjj", "-001"}, g.records())

		g.mu.Lock()
		g.short = true
		g.mu.Unlock()
		put("kkkk")
		assert.EqualValues(t, 5, w.Dropped(), "half a record is a lost one")
		assert.Len(t, g.records(), 9, "it is told when the destination takes records again")
		close(g.permits)
		put("llll")
		assert.Equal(t, []string{"llll", "-001"}, g.records()[9:])
		require.NoError(t, w.Close(t.Context()))
	})
}

func TestALogWriterTellsOfLossesWhenItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{permits: make(chan error, 10)}
		var w *server.LogWriter
		w = newLogWriter(t, server.LogWriterConfig{To: g, Lost: func(n uint64) { fmt.Fprintf(w, "lost %d", n) }})
		g.permits <- errors.New("broken pipe")
		_, _ = w.Write([]byte("a"))
		synctest.Wait()
		assert.EqualValues(t, 1, w.Dropped())
		close(g.permits)
		require.NoError(t, w.Close(t.Context()))
		assert.Equal(t, []string{"lost 1"}, g.records(), "at its end at the latest")
	})
}

func TestClosingALogWriterWhoseDestinationHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{permits: make(chan error)}
		w := newLogWriter(t, server.LogWriterConfig{To: g})
		for range 3 {
			_, _ = w.Write([]byte("a"))
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := w.Close(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "does not take 3 records")
		assert.Equal(t, time.Second, time.Since(began))
		assert.EqualValues(t, 3, w.Dropped())
		require.Error(t, w.Close(ctx))
		assert.EqualValues(t, 3, w.Dropped(), "they are lost once, however often it is closed")
		g.permits <- nil
		synctest.Wait()
		assert.Len(t, g.records(), 1, "the one that was being written, and no more")
		assert.EqualValues(t, 3, w.Dropped())
	})
}

func TestAPipeWhoseReaderStallsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer writer.Close()
	direct := slog.New(slog.NewJSONHandler(writer, nil)) // no other record can take its room
	w := newLogWriter(t, server.LogWriterConfig{To: writer, MaxBytes: 64 << 10, Lost: func(n uint64) {
		direct.Warn("records were lost", "count", n)
	}})
	log := slog.New(slog.NewJSONHandler(w, nil))
	const loggers, each = 8, 1000
	var wg sync.WaitGroup
	for range loggers {
		wg.Go(func() {
			for range each {
				log.Info("hello", "text", strings.Repeat("x", 100))
			}
		})
	}
	wg.Wait() // with nobody reading
	assert.Positive(t, w.Dropped())
	read := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(reader)
		read <- all
	}()
	require.NoError(t, w.Close(t.Context()))
	require.NoError(t, writer.Close())
	all := <-read
	written, told := 0, 0
	for line := range bytes.Lines(all) {
		var record struct{ Count int }
		require.NoError(t, json.Unmarshal(line, &record), "every line is whole")
		told += record.Count
		if record.Count == 0 {
			written++
		}
	}
	assert.EqualValues(t, loggers*each, uint64(written)+w.Dropped())
	assert.EqualValues(t, w.Dropped(), told, "the log itself says what it lacks")
}

func TestManyGoroutinesShareALogWriter(t *testing.T) {
	t.Parallel()
	var got, told atomic.Int64
	w := newLogWriter(t, server.LogWriterConfig{
		To:       writerFunc(func(p []byte) (int, error) { got.Add(1); return len(p), nil }),
		MaxBytes: 1000,
		Lost:     func(n uint64) { told.Add(int64(n)) },
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5000 {
				_, _ = w.Write([]byte("0123456789"))
			}
		})
	}
	wg.Wait()
	require.NoError(t, w.Close(t.Context()))
	assert.EqualValues(t, 8*5000, got.Load()+told.Load())
	assert.EqualValues(t, told.Load(), w.Dropped())
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestNewLogWriterReportsEveryMistake(t *testing.T) {
	_, err := server.NewLogWriter(server.LogWriterConfig{MaxBytes: -1})
	assert.Equal(t, "To: missing\nMaxBytes: invalid: \"-1\"", conferrtest.Text(err))
	var zero server.LogWriter
	n, err := zero.Write([]byte("abc"))
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	assert.EqualValues(t, 1, zero.Dropped())
	assert.NoError(t, zero.Close(t.Context()))
}

func BenchmarkLogWriter(b *testing.B) {
	w := newLogWriter(b, server.LogWriterConfig{To: io.Discard})
	record := []byte(strings.Repeat("x", 200))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = w.Write(record)
		}
	})
	_ = w.Close(b.Context())
}

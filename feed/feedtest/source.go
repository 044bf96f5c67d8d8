package feedtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
)

// TestSource runs the contract of a [feed.Source]. open is called once for each
// part of the contract; it returns a function that connects to one empty source,
// as each process of a service does. That a change survives the death of its
// publisher is for the source's own tests to show.
func TestSource(t *testing.T, open func(testing.TB) (connect func() feed.Source)) {
	t.Helper()
	for _, part := range []struct {
		desc string
		run  func(t *testing.T, connect func() feed.Source)
	}{
		{"an empty source has nothing", testEmpty},
		{"a change comes back as it was published, on every connection", testRoundTrip},
		{"changes come in order, however few at a time", testOrder},
		{"what has expired goes, but not of the newest changes", testExpiry},
		{"a reader that starts anew finds all that is retained", testRestart},
		{"no reader misses a change of concurrent publishers on several connections", testConcurrent},
		{"a cancelled context is an error", testCancelled},
		{"an instance comes back as it was reported, on every connection", testReport},
		{"a report takes the place of the one before", testReportAgain},
		{"instances are listed by their start", testInstancesInOrder},
		{"an instance expires by the source's clock, and not before", testInstanceExpires},
		{"an instance that is reported with keep 0 is gone", testInstanceLeaves},
	} {
		t.Run(part.desc, func(t *testing.T) { part.run(t, open(t)) })
	}
}

const keep = time.Hour

func publish(t *testing.T, s feed.Source, topic, data string, keep time.Duration) {
	t.Helper()
	if err := s.Publish(t.Context(), topic, []byte(data), keep); err != nil {
		t.Fatalf("Publish(%q): %v", data, err)
	}
}

// read returns what follows seq, asking for limit changes at a time.
func read(ctx context.Context, s feed.Source, seq int64, limit int) (all []feed.Change, err error) {
	for {
		changes, err := s.Since(ctx, seq, limit)
		if err != nil {
			return nil, err
		}
		if len(changes) > limit {
			return nil, fmt.Errorf("%d changes; want %d at most", len(changes), limit)
		}
		if len(changes) == 0 {
			return all, nil
		}
		for _, c := range changes {
			if c.Seq <= seq {
				return nil, fmt.Errorf("change %d is out of order: not after %d", c.Seq, seq)
			}
			seq = c.Seq
		}
		all = append(all, changes...)
	}
}

func mustRead(t *testing.T, s feed.Source, limit int) []feed.Change {
	t.Helper()
	all, err := read(t.Context(), s, 0, limit)
	if err != nil {
		t.Fatalf("Since: %v", err)
	}
	return all
}

func testEmpty(t *testing.T, connect func() feed.Source) {
	changes, err := connect().Since(t.Context(), 0, 10)
	if err != nil || len(changes) != 0 {
		t.Errorf("got %v, %v; want nothing, nil", changes, err)
	}
}

func testRoundTrip(t *testing.T, connect func() feed.Source) {
	a, b := connect(), connect()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	began := time.Now()
	publish(t, a, "topic ü", string(every), keep)
	publish(t, a, "topic 2", "", keep)
	every[0] = 1 // the caller's memory
	for _, s := range []feed.Source{a, b} {
		all := mustRead(t, s, 10)
		if len(all) != 2 {
			t.Fatalf("%d changes; want 2", len(all))
		}
		every[0] = 0
		if all[0].Topic != "topic ü" || !bytes.Equal(all[0].Data, every) || all[0].Seq < 1 {
			t.Errorf("got %+v", all[0])
		}
		if all[1].Topic != "topic 2" || len(all[1].Data) != 0 {
			t.Errorf("got %+v", all[1])
		}
		for _, c := range all {
			if off := c.Expires.Sub(began.Add(keep)); off < -time.Minute || off > time.Minute {
				t.Errorf("expires %v off", off)
			}
		}
		all[0].Data[7] = 'x' // the reader's memory
	}
}

func testOrder(t *testing.T, connect func() feed.Source) {
	a, b := connect(), connect()
	for i := range 10 {
		publish(t, []feed.Source{a, b}[i%2], "t", fmt.Sprint(i), keep)
	}
	for _, limit := range []int{1, 3, 10, 100} {
		all := mustRead(t, a, limit)
		if len(all) != 10 {
			t.Fatalf("limit %d: %d changes; want 10", limit, len(all))
		}
		for i, c := range all {
			if string(c.Data) != fmt.Sprint(i) {
				t.Errorf("limit %d: change %d is %q", limit, i, c.Data)
			}
		}
	}
	all := mustRead(t, a, 100)
	rest, err := b.Since(t.Context(), all[6].Seq, 100)
	if err != nil || len(rest) != 3 || rest[0].Seq != all[7].Seq {
		t.Errorf("after the seventh: got %v, %v", rest, err)
	}
	rest, err = b.Since(t.Context(), all[9].Seq, 100)
	if err != nil || len(rest) != 0 {
		t.Errorf("after the last: got %v, %v", rest, err)
	}
}

// What has expired may be dropped, but the newest changes stay: readers find by them
// where they are.
func testExpiry(t *testing.T, connect func() feed.Source) {
	a, b := connect(), connect()
	for range 40 {
		publish(t, a, "t", "short", 20*time.Millisecond)
	}
	publish(t, a, "t", "long", keep)
	time.Sleep(100 * time.Millisecond)
	publish(t, a, "t", "next", keep)
	all := mustRead(t, b, 7)
	if len(all) != 42 || string(all[40].Data) != "long" || all[39].Expires.After(time.Now().Add(time.Minute)) {
		t.Fatalf("%d changes; want the expired ones, too", len(all))
	}
	for range feed.Kept + 20 { // sources drop some with each, as far as they are not of the newest
		publish(t, b, "t", "more", keep)
	}
	long := 0
	got := mustRead(t, a, 100)
	for _, c := range got {
		if string(c.Data) == "long" {
			long++
		}
	}
	if len(got) >= 42+feed.Kept+20 || len(got) < feed.Kept || long != 1 {
		t.Errorf("%d changes, %d long ones; want some of the expired ones gone and nothing else", len(got), long)
	}
}

func testRestart(t *testing.T, connect func() feed.Source) {
	a := connect()
	publish(t, a, "t", "1", keep)
	publish(t, a, "t", "2", keep)
	before := mustRead(t, a, 10)
	b := connect()
	after := mustRead(t, b, 10)
	if len(before) != 2 || len(after) != 2 || before[1].Seq != after[1].Seq {
		t.Fatalf("before %v; after %v", before, after)
	}
	publish(t, b, "t", "3", keep)
	rest, err := read(t.Context(), a, before[1].Seq, 10)
	if err != nil || len(rest) != 1 || string(rest[0].Data) != "3" {
		t.Errorf("then: got %v, %v; want the third", rest, err)
	}
}

func testConcurrent(t *testing.T, connect func() feed.Source) {
	const publishers, each, readers = 4, 40, 2
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var publishing, reading sync.WaitGroup
	for i := range readers {
		s := connect()
		reading.Go(func() {
			next := make([]int, publishers)
			var seq int64
			for got := 0; got < publishers*each; {
				changes, err := read(ctx, s, seq, 3+i)
				if err != nil {
					t.Errorf("reader %d: %v after %d changes", i, err, got)
					return
				}
				for _, c := range changes {
					var who, n int
					if _, err := fmt.Sscanf(string(c.Data), "%d %d", &who, &n); err != nil || who < 0 || who >= publishers || n != next[who] {
						t.Errorf("reader %d: got %q; want one of %v: %v", i, c.Data, next, err)
						return
					}
					next[who]++
				}
				if got += len(changes); len(changes) > 0 {
					seq = changes[len(changes)-1].Seq
				}
				time.Sleep(time.Millisecond) // leave the machine to the publishers
			}
		})
	}
	for i := range publishers {
		s := connect()
		publishing.Go(func() {
			for n := range each {
				if err := s.Publish(ctx, "t", fmt.Appendf(nil, "%d %d", i, n), keep); err != nil {
					t.Errorf("publisher %d: %v", i, err)
					return
				}
			}
		})
	}
	publishing.Wait()
	if t.Failed() {
		cancel()
	}
	reading.Wait()
}

func testCancelled(t *testing.T, connect func() feed.Source) {
	s := connect()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Publish(ctx, "t", []byte("x"), keep); err == nil {
		t.Error("Publish: no error")
	}
	if _, err := s.Since(ctx, 0, 10); err == nil {
		t.Error("Since: no error")
	}
	if _, err := s.Report(ctx, rampart.Instance{ID: "a"}, keep); err == nil {
		t.Error("Report: no error")
	}
}

package feedtest

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
)

func report(t *testing.T, s feed.Source, in rampart.Instance, keep time.Duration) []rampart.Instance {
	t.Helper()
	all, err := s.Report(t.Context(), in, keep)
	if err != nil {
		t.Fatalf("Report(%q): %v", in.ID, err)
	}
	return all
}

// wantIDs fails unless these instances are listed, in this order.
func wantIDs(t *testing.T, all []rampart.Instance, ids ...string) {
	t.Helper()
	got := make([]string, len(all))
	for i, in := range all {
		got[i] = in.ID
	}
	if !slices.Equal(got, ids) {
		t.Fatalf("instances %q; want %q", got, ids)
	}
}

// longAgo is to the microsecond.
func longAgo() time.Time { return time.Unix(1_700_000_000, 123_456_000) }

func testReport(t *testing.T, connect func() feed.Source) {
	a, b := connect(), connect()
	first := rampart.Instance{ID: "a", Version: "v1.2 ü", Started: longAgo(), Seen: time.Now().Add(keep), Seq: math.MaxInt64, Self: true}
	second := rampart.Instance{ID: "b", Started: longAgo().Add(time.Microsecond)}
	wantIDs(t, report(t, a, first, keep), "a")
	for _, all := range [][]rampart.Instance{report(t, b, second, keep), report(t, a, first, keep)} {
		wantIDs(t, all, "a", "b")
		for i, want := range []rampart.Instance{first, second} {
			got := all[i]
			if off := time.Since(got.Seen); off < -time.Minute || off > time.Minute {
				t.Errorf("%s was seen %v ago", got.ID, off)
			}
			if !got.Started.Equal(want.Started) {
				t.Errorf("%s started at %v; want %v", got.ID, got.Started, want.Started)
			}
			want.Started, want.Seen, want.Self = got.Started, got.Seen, false
			if got != want {
				t.Errorf("got %+v; want %+v", got, want)
			}
		}
		all[0].ID = "x" // the caller's memory
	}
}

func testReportAgain(t *testing.T, connect func() feed.Source) {
	a, b := connect(), connect()
	before := report(t, a, rampart.Instance{ID: "a", Version: "1", Started: longAgo(), Seq: 9}, keep)
	time.Sleep(20 * time.Millisecond)
	after := report(t, b, rampart.Instance{ID: "a", Version: "2", Started: longAgo().Add(time.Hour), Seq: 8}, keep)
	wantIDs(t, after, "a")
	got := after[0]
	if got.Version != "2" || !got.Started.Equal(longAgo().Add(time.Hour)) || got.Seq != 8 || !got.Seen.After(before[0].Seen) {
		t.Errorf("got %+v after %+v", got, before[0])
	}
}

func testInstancesInOrder(t *testing.T, connect func() feed.Source) {
	s := connect()
	report(t, s, rampart.Instance{ID: "b", Started: longAgo().Add(time.Second)}, keep)
	report(t, s, rampart.Instance{ID: "c", Started: longAgo()}, keep)
	report(t, s, rampart.Instance{ID: "B", Started: longAgo().Add(time.Second)}, keep)
	report(t, s, rampart.Instance{ID: "a", Started: longAgo().Add(time.Second)}, keep)
	wantIDs(t, report(t, s, rampart.Instance{ID: "c", Started: longAgo()}, keep), "c", "B", "a", "b")
}

func testInstanceExpires(t *testing.T, connect func() feed.Source) {
	a, b := connect(), connect()
	long := rampart.Instance{ID: "long", Started: longAgo()}
	// What an instance's own clock says does not count.
	report(t, a, rampart.Instance{ID: "short", Started: time.Now().Add(keep), Seen: time.Now().Add(keep)}, 100*time.Millisecond)
	report(t, a, rampart.Instance{ID: "again", Started: time.Now().Add(keep)}, 100*time.Millisecond)
	report(t, a, rampart.Instance{ID: "again", Started: time.Now().Add(keep)}, keep)
	report(t, a, long, keep)
	time.Sleep(200 * time.Millisecond)
	wantIDs(t, report(t, b, long, keep), "long", "again")
	wantIDs(t, report(t, a, long, keep), "long", "again")
}

func testInstanceLeaves(t *testing.T, connect func() feed.Source) {
	a, b := connect(), connect()
	report(t, a, rampart.Instance{ID: "a"}, keep)
	report(t, b, rampart.Instance{ID: "b"}, keep)
	wantIDs(t, report(t, b, rampart.Instance{ID: "a"}, 0), "b")
	wantIDs(t, report(t, a, rampart.Instance{ID: "a"}, 0), "b")
	wantIDs(t, report(t, a, rampart.Instance{ID: "b"}, 0))
}

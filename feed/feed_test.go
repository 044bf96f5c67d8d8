package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

var _ rampart.Feed = (*feed.Feed)(nil)

// broken is a source that fails, or hangs, on demand.
type broken struct {
	feed.Source
	fails, failsSince, hangs atomic.Bool
	failsReport, hangsReport atomic.Bool
	reports                  atomic.Int64
}

func (b *broken) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	if b.fails.Load() {
		return errors.New("connection refused")
	}
	return b.Source.Publish(ctx, topic, data, keep)
}

func (b *broken) Since(ctx context.Context, seq int64, limit int) ([]feed.Change, error) {
	if b.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if b.fails.Load() || b.failsSince.Load() {
		return nil, errors.New("connection refused\n")
	}
	return b.Source.Since(ctx, seq, limit)
}

func (b *broken) Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error) {
	b.reports.Add(1)
	if b.hangs.Load() || b.hangsReport.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if b.fails.Load() || b.failsReport.Load() {
		return nil, errors.New("connection refused")
	}
	return b.Source.Report(ctx, in, keep)
}

func newFeed(tb testing.TB, source feed.Source, change ...func(*feed.Config)) *feed.Feed {
	tb.Helper()
	cfg := feed.Config{Source: source, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	f, err := feed.New(tb.Context(), cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, f.Close()) })
	return f
}

// collect subscribes to a topic and returns what has been applied.
func collect(f *feed.Feed, topic string) func() []string {
	var got atomic.Pointer[[]string]
	got.Store(&[]string{})
	f.Subscribe(topic, func(data []byte, _ time.Time) {
		all := append(append([]string{}, *got.Load()...), string(data))
		got.Store(&all)
	})
	return func() []string { return *got.Load() }
}

func TestAChangeIsAppliedHereAtOnceAndElsewhereWithThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		a, b := newFeed(t, source), newFeed(t, source)
		here, there, other := collect(a, "t"), collect(b, "t"), collect(b, "other")
		for i := range 3 {
			require.NoError(t, a.Publish(t.Context(), "t", fmt.Append(nil, i), time.Hour))
			assert.Len(t, here(), i+1)
		}
		time.Sleep(501 * time.Millisecond)
		assert.Equal(t, []string{"0", "1", "2"}, here())
		assert.Equal(t, here(), there())
		assert.Empty(t, other())
	})
}

func TestALateSubscriberGetsWhatIsRetainedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		require.NoError(t, source.Publish(t.Context(), "t", []byte("short"), time.Minute))
		require.NoError(t, source.Publish(t.Context(), "t", []byte("long"), time.Hour))
		f := newFeed(t, source)
		assert.Equal(t, []string{"short", "long"}, collect(f, "t")(), "a fresh instance knows all")
		time.Sleep(2 * time.Minute)
		late := collect(f, "t")
		require.NoError(t, f.Publish(t.Context(), "t", []byte("new"), time.Hour))
		assert.Equal(t, []string{"long", "new"}, late())
	})
}

func TestManyChangesAreReadWithOnePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		f := newFeed(t, source)
		got := collect(f, "t")
		for range 1234 { // more than one batch
			require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
		}
		time.Sleep(501 * time.Millisecond)
		assert.Len(t, got(), 1234)
	})
}

func TestASubscriberMayKeepAndChangeTheData(t *testing.T) {
	f := newFeed(t, feed.Memory())
	f.Subscribe("t", func(data []byte, _ time.Time) { data[0] = 'x' })
	second := collect(f, "t")
	require.NoError(t, f.Publish(t.Context(), "t", []byte("abc"), time.Hour))
	assert.Equal(t, []string{"abc"}, second())
	assert.Equal(t, []string{"abc"}, collect(f, "t")())
}

func TestTheExpiryIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, feed.Memory())
		var got time.Time
		f.Subscribe("t", func(_ []byte, expires time.Time) { got = expires })
		require.NoError(t, f.Publish(t.Context(), "t", nil, time.Hour))
		assert.Equal(t, time.Hour, time.Until(got))
	})
}

func TestAgeSaysSoPastMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		source := &broken{Source: feed.Memory()}
		f := newFeed(t, source, func(c *feed.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		time.Sleep(time.Hour)
		assert.Zero(t, f.Age())
		source.fails.Store(true)
		time.Sleep(9 * time.Second)
		assert.Zero(t, f.Age())
		time.Sleep(2 * time.Second)
		assert.Greater(t, f.Age(), 10*time.Second)
		synctest.Wait()
		assert.Equal(t, 1, strings.Count(log.String(), "event=sys_backend_unavailable"))
		assert.Contains(t, log.String(), `error="connection refused\\n"`)
		source.fails.Store(false)
		time.Sleep(501 * time.Millisecond)
		synctest.Wait()
		assert.Zero(t, f.Age())
		assert.Contains(t, log.String(), "sys_backend_recovered")
	})
}

func TestAHangingSourceIsAFailingOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		f := newFeed(t, source)
		got := collect(f, "t")
		source.hangs.Store(true)
		time.Sleep(time.Minute)
		assert.Greater(t, f.Age(), 50*time.Second)
		require.NoError(t, source.Publish(t.Context(), "t", []byte("x"), time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, f.Publish(ctx, "t", []byte("y"), time.Hour), context.DeadlineExceeded)
		assert.Equal(t, 300*time.Millisecond, time.Since(began), "Publish obeys its context while a poll hangs")
		source.hangs.Store(false)
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"x", "y"}, got())
		assert.Zero(t, f.Age())
	})
}

func TestPublishReportsWhatIsNotDurableOrNotApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		f := newFeed(t, source)
		got := collect(f, "t")
		source.fails.Store(true)
		assert.EqualError(t, f.Publish(t.Context(), "t", nil, time.Hour), "feed: publish: connection refused")
		source.fails.Store(false)
		source.failsSince.Store(true)
		assert.ErrorContains(t, f.Publish(t.Context(), "t", []byte("x"), time.Hour), "feed: published, but not yet applied here: ")
		assert.Empty(t, got())
		source.failsSince.Store(false)
		time.Sleep(501 * time.Millisecond)
		assert.Equal(t, []string{"x"}, got())
	})
}

func TestPublishRefusesWhatNoSourceShouldKeep(t *testing.T) {
	f := newFeed(t, feed.Memory())
	for desc, err := range map[string]error{
		"a topic has 1 to 255 bytes":                            f.Publish(t.Context(), "", nil, time.Hour),
		"feed: a topic has 1 to 255 bytes":                      f.Publish(t.Context(), strings.Repeat("t", 256), nil, time.Hour),
		"65537 bytes are more than the 65536 that a change may": f.Publish(t.Context(), "t", make([]byte, 64<<10+1), time.Hour),
		"cannot be kept for 0s":                                 f.Publish(t.Context(), "t", nil, 0),
		"cannot be kept for -1s":                                f.Publish(t.Context(), "t", nil, -time.Second),
	} {
		assert.ErrorContains(t, err, desc)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		f := newFeed(t, source)
		got := collect(f, "t")
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		require.NoError(t, source.Publish(t.Context(), "t", nil, time.Hour))
		assert.EqualError(t, f.Publish(t.Context(), "t", nil, time.Hour), "feed: closed")
		time.Sleep(time.Minute)
		assert.Empty(t, got())
		assert.Equal(t, time.Minute, f.Age(), "a layer that outlives its feed is out of date")
	})
}

func TestTheFeedOutlivesTheContextOfNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f, err := feed.New(ctx, feed.Config{Source: feed.Memory()})
		require.NoError(t, err)
		defer f.Close()
		cancel()
		time.Sleep(time.Minute)
		assert.Zero(t, f.Age())
	})
}

func TestNewFailsIfWhatIsRetainedCannotBeRead(t *testing.T) {
	source := &broken{Source: feed.Memory()}
	source.fails.Store(true)
	_, err := feed.New(t.Context(), feed.Config{Source: source, Logger: slog.New(slog.DiscardHandler)})
	assert.ErrorContains(t, err, "feed: first read: connection refused")
	source.hangs.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = feed.New(ctx, feed.Config{Source: source})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestNewReportsEveryMistake(t *testing.T) {
	tests := []struct {
		desc string
		cfg  feed.Config
		want string
	}{
		{"empty", feed.Config{}, "Source: missing"},
		{
			"all at once",
			feed.Config{Poll: time.Millisecond, MaxStale: -1, Version: "v1\x00"},
			"Source: missing\nPoll: invalid: \"1ms\"\nMaxStale: invalid: \"-1ns\"\nVersion: invalid: \"v1\\x00\"",
		},
		{"stale before the next poll", feed.Config{Source: feed.Memory(), Poll: time.Minute, MaxStale: time.Second}, `MaxStale: invalid: "1s"`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			f, err := feed.New(t.Context(), tt.cfg)
			assert.Nil(t, f)
			assert.Equal(t, tt.want, conferrtest.Text(err))
			for m := range rampart.Mistakes(err) {
				assert.Equal(t, "feed.Config", m.Type)
			}
		})
	}
	assert.False(t, reflect.TypeFor[feed.Config]().Comparable())
}

func TestTheZeroFeedIsOutOfDateAndRefuses(t *testing.T) {
	for _, f := range []*feed.Feed{nil, {}} {
		assert.EqualError(t, f.Publish(t.Context(), "t", nil, time.Hour), "feed: the feed was not made by New")
		assert.Equal(t, time.Duration(math.MaxInt64), f.Age())
		assert.NoError(t, f.Close())
		_, err := f.Instances(t.Context())
		assert.EqualError(t, err, "feed: the feed was not made by New")
		assert.Equal(t, 1, f.Live(), "this one")
	}
	new(feed.Feed).Subscribe("t", func([]byte, time.Time) { t.Error("called") })
}

func BenchmarkAge(b *testing.B) {
	f := newFeed(b, feed.Memory())
	b.ReportAllocs()
	for b.Loop() {
		if f.Age() != 0 {
			b.Fatal("stale")
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	f := newFeed(b, feed.Memory())
	f.Subscribe("t", func([]byte, time.Time) {})
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Publish(b.Context(), "t", []byte("x"), time.Millisecond); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAFeedTellsHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		f := newFeed(t, source)
		samples := func() map[string]float64 {
			all := map[string]float64{}
			for s := range f.Samples {
				all[s.Name] = s.Value
			}
			return all
		}
		require.NoError(t, f.Publish(t.Context(), "t", []byte("1"), time.Hour))
		require.NoError(t, f.Publish(t.Context(), "t", []byte("2"), time.Hour))
		all := samples()
		assert.Equal(t, map[string]float64{"rampart_feed_sequence": 2, "rampart_feed_age_seconds": all["rampart_feed_age_seconds"], "rampart_feed_instances": 1}, all)
		time.Sleep(time.Minute)
		assert.LessOrEqual(t, samples()["rampart_feed_age_seconds"], 1.0)
		source.fails.Store(true)
		time.Sleep(5 * time.Second)
		assert.InDelta(t, 5, samples()["rampart_feed_age_seconds"], 1, "though it is not stale yet")
		for range f.Samples {
			break
		}
	})
	for range new(feed.Feed).Samples {
		t.Error("a zero Feed tells something")
	}
}

package feed_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/internal/instance"
	"github.com/ecolaura/rampart/internal/logtest"
)

func version(v string) func(*feed.Config) {
	return func(c *feed.Config) { c.Version = v }
}

// listed returns how far each instance is, such as "a:1 b:0", as f says.
func listed(t *testing.T, f *feed.Feed) string {
	t.Helper()
	all, err := f.Instances(t.Context())
	require.NoError(t, err)
	return text(all)
}

// noted returns the same as the source has it, without a Feed that reports anew.
func noted(t *testing.T, source feed.Source) string {
	t.Helper()
	all, err := source.Report(t.Context(), rampart.Instance{ID: "nobody"}, 0)
	require.NoError(t, err)
	return text(all)
}

func text(all []rampart.Instance) (s string) {
	for i, in := range all {
		if i > 0 {
			s += " "
		}
		s += fmt.Sprintf("%s:%d", in.Version, in.Seq)
	}
	return s
}

func TestInstancesSayWhatTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		began := time.Now()
		a := newFeed(t, source, version("v1"))
		time.Sleep(100*time.Millisecond + time.Nanosecond)
		b := newFeed(t, source, version("v2"))
		require.NoError(t, a.Publish(t.Context(), "t", nil, time.Hour))
		all, err := a.Instances(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 2)
		for _, in := range all {
			assert.Regexp(t, `^[a-z2-7]{12}$`, in.ID)
		}
		assert.NotEqual(t, all[0].ID, all[1].ID)
		now := time.Now().UTC()
		assert.Equal(t, []rampart.Instance{
			{ID: all[0].ID, Version: "v1", Started: began.UTC(), Seen: now, Seq: 1, Self: true},
			{ID: all[1].ID, Version: "v2", Started: began.Add(100 * time.Millisecond).UTC(), Seen: now},
		}, all)
		all, err = b.Instances(t.Context())
		require.NoError(t, err)
		assert.False(t, all[0].Self)
		assert.True(t, all[1].Self)
	})
}

func TestTheVersionIsThatOfTheProgram(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	require.NotEmpty(t, instance.Version(info))
	all, err := newFeed(t, feed.Memory()).Instances(t.Context())
	require.NoError(t, err)
	assert.Equal(t, instance.Version(info), all[0].Version)
}

func TestAnInstanceShowsHowFarItIsWithinAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		a := newFeed(t, source, version("a"))
		require.NoError(t, a.Publish(t.Context(), "t", nil, time.Hour))
		time.Sleep(100 * time.Millisecond)
		newFeed(t, source, version("b"))
		assert.Equal(t, "a:0 b:1", noted(t, source), "New says it at once")
		time.Sleep(3 * time.Second)
		require.NoError(t, a.Publish(t.Context(), "t", nil, time.Hour))
		assert.Equal(t, "a:1 b:1", noted(t, source), "Publish does not wait for a report")
		assert.Equal(t, "a:2 b:1", listed(t, a))
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, "a:2 b:2", noted(t, source))
	})
}

func TestAnInstanceThatHangsStaysBehindAndThenGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		a := newFeed(t, source, version("a"))
		time.Sleep(time.Millisecond)
		stuck := &broken{Source: source}
		b := newFeed(t, stuck, version("b")) // its reports are at 1 ms, 5.001 s, …
		time.Sleep(6 * time.Second)
		assert.Equal(t, 2, a.Live())
		stuck.hangs.Store(true)
		require.NoError(t, a.Publish(t.Context(), "t", nil, time.Hour))
		time.Sleep(28 * time.Second) // till 34.001 s
		assert.Equal(t, "a:1 b:0", listed(t, a))
		time.Sleep(time.Second)
		assert.Equal(t, "a:1", listed(t, a))
		assert.Equal(t, 1, a.Live())
		assert.Equal(t, 2, b.Live(), "what it heard last")
		stuck.hangs.Store(false)
		time.Sleep(2 * time.Second)
		assert.Equal(t, "a:1 b:1", listed(t, a), "it is back")
	})
}

func TestALongPollIsNoAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		newFeed(t, source, version("a"), func(c *feed.Config) { c.Poll = time.Minute })
		source.failsReport.Store(true)
		time.Sleep(4*time.Minute - time.Second)
		assert.Equal(t, "a:0", noted(t, source.Source), "some reports may fail")
		time.Sleep(time.Second)
		assert.Empty(t, noted(t, source.Source))
	})
}

func TestAnIdleInstanceReportsEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		f := newFeed(t, source)
		time.Sleep(time.Hour + time.Millisecond)
		assert.EqualValues(t, 1+720, source.reports.Load())
		require.NoError(t, f.Publish(t.Context(), "t", nil, time.Hour))
		time.Sleep(time.Second)
		assert.EqualValues(t, 1+720+1, source.reports.Load(), "once for a change")
	})
}

func TestCloseTakesTheInstanceOffTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		a := newFeed(t, source, version("a"))
		time.Sleep(time.Millisecond)
		b := newFeed(t, source, version("b"))
		require.NoError(t, a.Close())
		assert.Equal(t, "b:0", listed(t, b))
		assert.Equal(t, 1, b.Live())
		_, err := a.Instances(t.Context())
		require.EqualError(t, err, "feed: closed")
		require.NoError(t, a.Close())
		assert.Equal(t, "b:0", noted(t, source))
	})
}

func TestCloseWaitsForNoSourceLongerThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		a, b := newFeed(t, source), newFeed(t, source)
		source.hangsReport.Store(true)
		began := time.Now()
		require.NoError(t, a.Close())
		assert.Equal(t, time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { _, _ = b.Instances(ctx) }()
		synctest.Wait()
		began = time.Now()
		require.NoError(t, b.Close())
		assert.Equal(t, time.Second, time.Since(began), "nor for another report")
	})
}

func TestNothingPutsAClosedInstanceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		f := newFeed(t, source)
		source.hangsReport.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = f.Instances(ctx) }()
		synctest.Wait()
		go f.Close()
		synctest.Wait()
		late := make(chan error)
		go func() {
			_, err := f.Instances(t.Context())
			late <- err
		}()
		synctest.Wait()
		source.hangsReport.Store(false)
		cancel()
		assert.ErrorContains(t, <-late, "feed: closed")
		assert.Empty(t, noted(t, source))
	})
}

func TestAReportThatFailsHarmsNothing(t *testing.T) {
	for desc, fail := range map[string]func(b *broken, on bool){
		"fails": func(b *broken, on bool) { b.failsReport.Store(on) },
		"hangs": func(b *broken, on bool) { b.hangsReport.Store(on) },
	} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &broken{Source: feed.Memory()}
				var log logtest.Records
				fail(source, true)
				began := time.Now()
				a := newFeed(t, source, version("a"), func(c *feed.Config) { c.Logger = log.Logger() })
				assert.LessOrEqual(t, time.Since(began), time.Second, "New succeeds soon")
				b := newFeed(t, source.Source)
				got := collect(a, "t")
				assert.Equal(t, 1, a.Live())
				for i := range 20 {
					began := time.Now()
					require.NoError(t, a.Publish(t.Context(), "t", nil, time.Hour))
					assert.Zero(t, time.Since(began))
					require.NoError(t, b.Publish(t.Context(), "t", nil, time.Hour))
					time.Sleep(1700 * time.Millisecond)
					assert.Len(t, got(), 2*i+2)
					assert.Zero(t, a.Age())
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := a.Instances(ctx)
				assert.ErrorContains(t, err, "feed: instances: ")
				assert.Empty(t, log.String(), "the source answers")
				fail(source, false)
				time.Sleep(1600 * time.Millisecond)
				assert.Contains(t, noted(t, source.Source), "a:40", "the next poll tries again")
				assert.Equal(t, 2, a.Live())
				fail(source, true)
				time.Sleep(10 * time.Second)
				assert.Equal(t, 2, a.Live(), "what it heard last")
			})
		})
	}
}

func TestInstancesWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &broken{Source: feed.Memory()}
		f := newFeed(t, source)
		source.hangsReport.Store(true)
		for range 2 { // the second waits for the first
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := f.Instances(ctx)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := f.Instances(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 300*time.Millisecond, time.Since(began))
		time.Sleep(2 * time.Second)
	})
}

func TestInstancesFollowASourceThatGoesBack(t *testing.T) {
	for left := range 3 {
		t.Run(fmt.Sprintf("to %d of 3 changes", left), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := restorable()
				for range 3 { // not by a Feed, so they are not published again
					require.NoError(t, source.Publish(t.Context(), "t", nil, time.Second))
				}
				f := newFeed(t, source, version("a"))
				assert.Equal(t, "a:3", listed(t, f))
				time.Sleep(2 * time.Second) // they are over: nothing has to be published again
				back := feed.Memory()
				for range left {
					require.NoError(t, back.Publish(t.Context(), "other", nil, time.Hour))
				}
				source.restore(back)
				time.Sleep(time.Second)
				synctest.Wait()
				assert.Equal(t, fmt.Sprintf("a:%d", left), noted(t, source))
			})
		})
	}
}

func TestInMemoryThereAreAThousandInstancesAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		var all []rampart.Instance
		for i := range 1001 {
			var err error
			all, err = source.Report(t.Context(), rampart.Instance{ID: fmt.Sprint(i), Started: time.Unix(int64(i), 0)}, time.Hour)
			require.NoError(t, err)
			time.Sleep(time.Millisecond)
		}
		require.Len(t, all, 1000)
		assert.Equal(t, "1", all[0].ID, "the one that was seen longest ago is not among them")
	})
}

// arriving is a source into which another instance publishes just before this one is
// listed for the first time.
type arriving struct{ feed.Source }

func (a *arriving) Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error) {
	if err := a.Publish(ctx, "t", []byte("order"), time.Hour); err != nil {
		return nil, err
	}
	return a.Source.Report(ctx, in, keep)
}

func TestAnInstanceThatStartsKnowsWhatWasPublishedBeforeItWasListed(t *testing.T) {
	f := newFeed(t, &arriving{feed.Memory()})
	var got []string
	f.Subscribe("t", func(data []byte, _ time.Time) { got = append(got, string(data)) })
	assert.Equal(t, []string{"order"}, got)
}

package feed_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/internal/logtest"
)

// restored is a source that can be exchanged for a backup of itself.
type restored struct{ source atomic.Pointer[feed.Source] }

func restorable() *restored {
	r := new(restored)
	r.restore(feed.Memory())
	return r
}

func (r *restored) restore(backup feed.Source) { r.source.Store(&backup) }

func (r *restored) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	return (*r.source.Load()).Publish(ctx, topic, data, keep)
}

func (r *restored) Since(ctx context.Context, seq int64, limit int) ([]feed.Change, error) {
	return (*r.source.Load()).Since(ctx, seq, limit)
}

func (r *restored) Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error) {
	return (*r.source.Load()).Report(ctx, in, keep)
}

func newFeedOf(t *testing.T, source feed.Source, log *logtest.Records) *feed.Feed {
	t.Helper()
	return newFeed(t, source, func(c *feed.Config) { c.Logger = log.Logger() })
}

// backup returns a copy without the newest changes.
func (r *restored) backup(t *testing.T, without int) feed.Source {
	t.Helper()
	all, err := (*r.source.Load()).Since(t.Context(), 0, 100_000)
	require.NoError(t, err)
	b := feed.Memory()
	for _, c := range all[:len(all)-without] {
		require.NoError(t, b.Publish(t.Context(), c.Topic, c.Data, time.Until(c.Expires)))
	}
	return b
}

func TestWhatASourceHasLostStaysInForceAndComesBack(t *testing.T) {
	for _, without := range []int{1, 10, 20} {
		for _, since := range []int{0, 1, 10, 30} {
			t.Run(fmt.Sprintf("%d of 20 lost, %d new ones before a poll", without, since), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					source := restorable()
					var log logtest.Records
					a := newFeedOf(t, source, &log)
					b, c := newFeedOf(t, source, &log), newFeedOf(t, source, &log)
					for i := range 20 {
						require.NoError(t, a.Publish(t.Context(), "t", fmt.Append(nil, i), time.Hour))
					}
					time.Sleep(time.Second)
					here, there := collect(a, "t"), collect(b, "t")
					source.restore(source.backup(t, without))
					for i := range since { // by an instance that has just started, and heard of nothing
						require.NoError(t, (*source.source.Load()).Publish(t.Context(), "t", fmt.Appendf(nil, "new %d", i), time.Hour))
					}
					require.NoError(t, b.Publish(t.Context(), "t", []byte("mallory"), time.Hour))
					assert.Contains(t, there(), "mallory", "200 means that it is in force here")
					time.Sleep(time.Second)
					synctest.Wait()
					assert.Contains(t, here(), "mallory")
					for _, got := range [][]string{here(), there(), collect(c, "t")()} {
						for i := range since {
							assert.Contains(t, got, fmt.Sprint("new ", i))
						}
						assert.Len(t, got[:20], 20)
						assert.Equal(t, "mallory", got[len(got)-1], "the last order counts")
					}
					time.Sleep(time.Second)
					fresh := collect(newFeedOf(t, source, &log), "t")()
					for i := range 20 {
						assert.Contains(t, fresh, fmt.Sprint(i), "an instance that starts later knows it again")
					}
					assert.Equal(t, "mallory", fresh[len(fresh)-1])
					lost := strings.Count(log.String(), `"event":"sys_state_lost"`)
					assert.GreaterOrEqual(t, lost, 1)
					assert.LessOrEqual(t, lost, 3, "one for each instance that had to remember")
				})
			})
		}
	}
}

// What is published again must not undo what was ordered since, neither where the old
// order was known nor where it comes for the first time.
func TestAnOrderThatIsGivenBeforeTheOldOnesAreBackIsStillTheLast(t *testing.T) {
	for _, since := range []int{0, 1} {
		t.Run(fmt.Sprintf("%d orders before it was noticed", since), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := restorable()
				var log logtest.Records
				a, b := newFeedOf(t, source, &log), newFeedOf(t, source, &log)
				for _, order := range []string{"block", "unblock"} {
					require.NoError(t, a.Publish(t.Context(), "t", []byte(order), time.Hour))
				}
				time.Sleep(600 * time.Millisecond) // not when they poll
				source.restore(source.backup(t, 1))
				c := newFeedOf(t, source, &log)
				for range since {
					require.NoError(t, c.Publish(t.Context(), "t", []byte("unblock"), time.Hour))
				}
				require.NoError(t, a.Publish(t.Context(), "other", nil, time.Hour), "it notices")
				require.NoError(t, c.Publish(t.Context(), "t", []byte("block again"), time.Hour))
				time.Sleep(3 * time.Second)
				for _, f := range []*feed.Feed{a, b, c, newFeedOf(t, source, &log)} {
					got := collect(f, "t")()
					assert.Equal(t, "block again", got[len(got)-1], "%v", got)
				}
				before, err := source.Since(t.Context(), 0, 100)
				require.NoError(t, err)
				time.Sleep(time.Minute)
				after, err := source.Since(t.Context(), 0, 100)
				require.NoError(t, err)
				assert.Len(t, after, len(before), "it ends")
			})
		})
	}
}

func TestAChangeThatNoFeedPublishedIsNeitherLostNorRepeated(t *testing.T) {
	for _, without := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d of 3 lost", without), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := restorable()
				var log logtest.Records
				for _, order := range []string{"unblock", "block"} {
					require.NoError(t, source.Publish(t.Context(), "t", []byte(order), time.Hour))
				}
				a, b := newFeedOf(t, source, &log), newFeedOf(t, source, &log)
				require.NoError(t, a.Publish(t.Context(), "t", []byte("other"), time.Hour))
				time.Sleep(time.Second)
				source.restore(source.backup(t, without))
				time.Sleep(3 * time.Second)
				for _, f := range []*feed.Feed{a, b, newFeedOf(t, source, &log)} {
					assert.Equal(t, []string{"unblock", "block", "other"}, collect(f, "t")())
				}
			})
		})
	}
}

func TestAnEmptySourceIsFilledFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := restorable()
		var log logtest.Records
		f := newFeedOf(t, source, &log)
		require.NoError(t, f.Publish(t.Context(), "t", []byte("kept"), 10*time.Minute))
		require.NoError(t, f.Publish(t.Context(), "t", []byte("over"), time.Second))
		time.Sleep(2 * time.Second)
		source.restore(feed.Memory())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"kept"}, collect(newFeedOf(t, source, &log), "t")())
		time.Sleep(10 * time.Minute)
		assert.Empty(t, collect(newFeedOf(t, source, &log), "t")(), "it ends when it would have ended")
	})
}

func TestWhatIsPublishedAgainIsNotAppliedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := restorable()
		var log logtest.Records
		f := newFeedOf(t, source, &log)
		got := collect(f, "t")
		for i := range 3 {
			require.NoError(t, f.Publish(t.Context(), "t", fmt.Append(nil, i), time.Hour))
		}
		source.restore(source.backup(t, 2))
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"0", "1", "2"}, got())
		there, err := source.Since(t.Context(), 0, 100)
		require.NoError(t, err)
		assert.Len(t, there, 3, "nor published twice")
	})
}

// A quiet hour must not make a reader read everything anew.
func TestAReaderFindsItsPlaceThoughItsLastChangeHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &counting{Source: feed.Memory()}
		var log logtest.Records
		f := newFeedOf(t, source, &log)
		for range 100 {
			require.NoError(t, f.Publish(t.Context(), "t", nil, time.Second))
		}
		time.Sleep(time.Hour)
		source.read.Store(0)
		for range 30 {
			require.NoError(t, f.Publish(t.Context(), "t", nil, time.Hour))
		}
		assert.LessOrEqual(t, source.read.Load(), int64(99), "the last one, the new one, and once more the new one; and those of a poll")
		assert.Empty(t, log.String())
	})
}

// counting counts the changes that it hands out.
type counting struct {
	feed.Source
	read atomic.Int64
}

func (c *counting) Since(ctx context.Context, seq int64, limit int) ([]feed.Change, error) {
	changes, err := c.Source.Since(ctx, seq, limit)
	c.read.Add(int64(len(changes)))
	return changes, err
}

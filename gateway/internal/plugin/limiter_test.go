package plugin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle"
)

func TestTwoPluginsOnOneStoreDoNotShareCounts(t *testing.T) {
	shared := throttle.NewMemory(0)
	one, two := &scoped{store: shared, prefix: "one/"}, &scoped{store: shared, prefix: "two/"}
	item := []throttle.Item{{Policy: "p", Key: "k", Rate: throttle.Rate{Count: 1, Period: time.Hour}, Cost: 1}}
	out := make([]throttle.Result, 1)
	take := func(s *scoped) bool {
		ok, err := s.Take(t.Context(), item, out)
		require.NoError(t, err)
		return ok
	}
	assert.True(t, take(one))
	assert.False(t, take(one))
	assert.True(t, take(two))
	require.NoError(t, one.Reset(t.Context(), "p", "k"))
	assert.False(t, take(two), "only the other one's was reset")
	assert.True(t, take(one))
	item[0].At = out[0].At
	require.NoError(t, one.Give(t.Context(), item))
	item[0].At = 0
	assert.True(t, take(one))
	assert.Equal(t, "k", item[0].Key, "the caller's items stay as they are")
}

// reporter is a store that reports outages by itself.
type reporter struct{ throttle.Store }

func (reporter) ReportsOutages() {}

func TestAScopedStoreReportsOutagesIfItsStoreDoes(t *testing.T) {
	memory := throttle.NewMemory(0)
	_, ok := scope(memory, "a/", false).(throttle.OutageReporter)
	assert.False(t, ok)
	_, ok = scope(reporter{memory}, "a/", false).(throttle.OutageReporter)
	assert.True(t, ok)
}

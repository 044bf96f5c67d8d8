package feed_test

import (
	"testing"

	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedtest"
)

func TestMemory(t *testing.T) {
	feedtest.TestSource(t, func(testing.TB) func() feed.Source {
		source := feed.Memory()
		return func() feed.Source { return source }
	})
}

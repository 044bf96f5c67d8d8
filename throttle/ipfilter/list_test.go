package ipfilter_test

import (
	"maps"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/throttle/ipfilter"
)

func TestBlocksAreListedUntilTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := ipfilter.New(ipfilter.Config{Deny: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
		require.NoError(t, err)
		assert.Empty(t, maps.Collect(f.Blocks()), "what is configured is no block")
		begun := time.Now()
		for prefix, hours := range map[string]int{
			"203.0.113.7/32": 1, "203.0.113.0/24": 2, "2001:db8::/32": 3, "2001:db8::1/128": 4, "::ffff:192.0.2.1/128": 5,
		} {
			require.NoError(t, f.Block(t.Context(), netip.MustParsePrefix(prefix), begun.Add(time.Duration(hours)*time.Hour)))
		}
		want := []struct {
			prefix string
			hours  int
		}{
			{"192.0.2.1/32", 5}, {"203.0.113.0/24", 2}, {"203.0.113.7/32", 1}, {"2001:db8::/32", 3}, {"2001:db8::1/128", 4},
		}
		i := 0
		for prefix, until := range f.Blocks() {
			require.Less(t, i, len(want))
			assert.Equal(t, want[i].prefix, prefix.String())
			assert.WithinDuration(t, begun.Add(time.Duration(want[i].hours)*time.Hour), until, time.Microsecond)
			i++
		}
		assert.Equal(t, len(want), i)
		time.Sleep(2 * time.Hour)
		assert.Len(t, maps.Collect(f.Blocks()), 3)
		assert.Empty(t, maps.Collect(new(ipfilter.Filter).Blocks()))
		for first := range f.Blocks() {
			assert.Equal(t, "192.0.2.1/32", first.String())
			break
		}
		for prefix := range f.Blocks() {
			require.NoError(t, f.Unblock(t.Context(), prefix), "a loop may end what it sees")
		}
		assert.Empty(t, maps.Collect(f.Blocks()))
	})
}

package ipfilter_test

import (
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
		assert.Empty(t, f.Blocks(), "what is configured is no block")
		begun := time.Now()
		for prefix, hours := range map[string]int{
			"203.0.113.7/32": 1, "203.0.113.0/24": 2, "2001:db8::/32": 3, "2001:db8::1/128": 4, "::ffff:192.0.2.1/128": 5,
		} {
			require.NoError(t, f.Block(t.Context(), netip.MustParsePrefix(prefix), begun.Add(time.Duration(hours)*time.Hour)))
		}
		want := []ipfilter.Block{
			{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Until: begun.Add(5 * time.Hour)},
			{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Until: begun.Add(2 * time.Hour)},
			{Prefix: netip.MustParsePrefix("203.0.113.7/32"), Until: begun.Add(time.Hour)},
			{Prefix: netip.MustParsePrefix("2001:db8::/32"), Until: begun.Add(3 * time.Hour)},
			{Prefix: netip.MustParsePrefix("2001:db8::1/128"), Until: begun.Add(4 * time.Hour)},
		}
		got := f.Blocks()
		require.Len(t, got, len(want))
		for i := range want {
			assert.Equal(t, want[i].Prefix, got[i].Prefix)
			assert.WithinDuration(t, want[i].Until, got[i].Until, time.Microsecond)
		}
		time.Sleep(2 * time.Hour)
		assert.Len(t, f.Blocks(), 3)
		assert.Nil(t, new(ipfilter.Filter).Blocks())
	})
}

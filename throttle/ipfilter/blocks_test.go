package ipfilter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

// fakeFeed is a feed that can fail or be behind.
type fakeFeed struct {
	rampart.Feed

	err  error
	age  time.Duration
	keep time.Duration // of the last change
}

func (f *fakeFeed) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	if f.keep = keep; f.err != nil {
		return f.err
	}
	return f.Feed.Publish(ctx, topic, data, keep)
}

func (f *fakeFeed) Age() time.Duration { return f.age }

func newFeed(t *testing.T, source feed.Source) *feed.Feed {
	t.Helper()
	f, err := feed.New(t.Context(), feed.Config{Source: source, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func newFilter(t *testing.T, cfg ipfilter.Config) *ipfilter.Filter {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f, err := ipfilter.New(cfg)
	require.NoError(t, err)
	return f
}

func admits(f *ipfilter.Filter, addr string) bool { return f.Check(from(addr)) == nil }

func TestABlockHoldsUntilItsTimeOnEveryInstanceAndOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := feed.Memory()
		one := newFilter(t, ipfilter.Config{Feed: newFeed(t, source), Outage: rampart.FailOpen})
		two := newFilter(t, ipfilter.Config{Feed: newFeed(t, source), Outage: rampart.FailOpen})
		until := time.Now().Add(time.Hour)
		require.NoError(t, one.Block(t.Context(), netip.MustParsePrefix("192.0.2.7/24"), until))
		require.NoError(t, one.Block(t.Context(), netip.MustParsePrefix("2001:db8::/48"), until.Add(time.Hour)))
		assert.False(t, admits(one, "192.0.2.200:1"), "here at once, the bits after the mask ignored")
		assert.True(t, admits(one, "192.0.3.1:1"))
		assert.False(t, admits(one, "[::ffff:192.0.2.1]:1"))
		time.Sleep(501 * time.Millisecond)
		assert.False(t, admits(two, "192.0.2.200:1"))
		assert.False(t, admits(two, "[2001:db8::9]:1"))
		require.NoError(t, one.Reconfigure(ipfilter.Config{Deny: prefixes("198.51.100.0/24")}))
		assert.False(t, admits(one, "192.0.2.200:1"), "a new configuration keeps the blocks")

		restarted := newFilter(t, ipfilter.Config{Feed: newFeed(t, source), Outage: rampart.FailOpen})
		assert.False(t, admits(restarted, "192.0.2.200:1"))

		require.NoError(t, two.Unblock(t.Context(), netip.MustParsePrefix("2001:db8::/48")))
		assert.True(t, admits(two, "[2001:db8::9]:1"))
		time.Sleep(501 * time.Millisecond)
		assert.True(t, admits(one, "[2001:db8::9]:1"))
		require.NoError(t, two.Unblock(t.Context(), netip.MustParsePrefix("2001:db8:1::/48")), "none there")
		restarted = newFilter(t, ipfilter.Config{Feed: newFeed(t, source), Outage: rampart.FailOpen})
		assert.True(t, admits(restarted, "[2001:db8::9]:1"))

		time.Sleep(time.Until(until) - 1)
		assert.False(t, admits(one, "192.0.2.200:1"))
		time.Sleep(time.Nanosecond)
		for _, f := range []*ipfilter.Filter{one, two, restarted} {
			assert.True(t, admits(f, "192.0.2.200:1"))
		}
	})
}

func TestAnOrderThatWasReplacedDoesNotComeBackWithARestart(t *testing.T) {
	for name, replace := range map[string]func(context.Context, *ipfilter.Filter, netip.Prefix) error{
		"a shorter block": func(ctx context.Context, f *ipfilter.Filter, p netip.Prefix) error {
			return f.Block(ctx, p, time.Now().Add(time.Second))
		},
		"an unblock": func(ctx context.Context, f *ipfilter.Filter, p netip.Prefix) error { return f.Unblock(ctx, p) },
		"ever shorter blocks": func(ctx context.Context, f *ipfilter.Filter, p netip.Prefix) error {
			return errors.Join(f.Block(ctx, p, time.Now().Add(time.Hour)), f.Block(ctx, p, time.Now().Add(time.Second)))
		},
		"an unblock after a shorter block": func(ctx context.Context, f *ipfilter.Filter, p netip.Prefix) error {
			return errors.Join(f.Block(ctx, p, time.Now().Add(time.Second)), f.Unblock(ctx, p))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, p := feed.Memory(), netip.MustParsePrefix("192.0.2.0/24")
				one := newFilter(t, ipfilter.Config{Feed: newFeed(t, source), Outage: rampart.FailOpen})
				require.NoError(t, one.Block(t.Context(), p, time.Now().Add(5*time.Hour)))
				require.NoError(t, replace(t.Context(), one, p))
				for range 2 {
					time.Sleep(2 * time.Hour)
					restarted := newFilter(t, ipfilter.Config{Feed: newFeed(t, source), Outage: rampart.FailOpen})
					assert.True(t, admits(restarted, "192.0.2.1:1"))
				}
			})
		})
	}
}

func TestAChangeIsKeptForNoLongerThanItMeansSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeFeed{Feed: newFeed(t, feed.Memory())}
		f := newFilter(t, ipfilter.Config{Feed: fake, Outage: rampart.FailOpen})
		p := netip.MustParsePrefix("192.0.2.0/24")
		kept := func(want time.Duration, err error) {
			t.Helper()
			require.NoError(t, err)
			assert.Equal(t, want+time.Minute, fake.keep)
		}
		kept(time.Hour, f.Block(t.Context(), p, time.Now().Add(time.Hour)))
		kept(24*time.Hour, f.Block(t.Context(), p, time.Now().Add(24*time.Hour)))
		kept(24*time.Hour, f.Block(t.Context(), p, time.Now().Add(2*time.Hour)))
		kept(2*time.Hour, f.Unblock(t.Context(), p))
		kept(0, f.Unblock(t.Context(), p))
		kept(time.Hour, f.Block(t.Context(), p, time.Now().Add(time.Hour)))
		time.Sleep(2 * time.Hour)
		kept(0, f.Unblock(t.Context(), p))
	})
}

func TestABlockWithoutAFeedHoldsInThisProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter(t, ipfilter.Config{Allow: prefixes("192.0.2.0/24"), MaxBlocks: 2})
		until := time.Now().Add(time.Minute)
		require.NoError(t, f.Block(t.Context(), netip.MustParsePrefix("192.0.2.7/32"), until))
		require.NoError(t, f.Block(t.Context(), netip.MustParsePrefix("::ffff:192.0.2.8/128"), until.Add(time.Minute)))
		assert.False(t, admits(f, "192.0.2.7:1"), "a block beats an allow prefix")
		assert.False(t, admits(f, "192.0.2.8:1"))
		assert.True(t, admits(f, "192.0.2.9:1"))
		assertRefused(t, f.Block(t.Context(), netip.MustParsePrefix("192.0.2.9/32"), until), ipfilter.ErrFull, 409)
		require.NoError(t, f.Block(t.Context(), netip.MustParsePrefix("192.0.2.7/32"), until.Add(time.Second)), "one that is there")
		time.Sleep(61 * time.Second)
		require.NoError(t, f.Block(t.Context(), netip.MustParsePrefix("192.0.2.0/28"), until.Add(time.Hour)), "room of one that has ended")
		require.NoError(t, f.Unblock(t.Context(), netip.MustParsePrefix("192.0.2.0/28")))
		assert.True(t, admits(f, "192.0.2.9:1"))
	})
}

// assertRefused asserts that an error says what it is, and what an operator is told.
func assertRefused(t *testing.T, err, want error, status int) {
	t.Helper()
	require.ErrorIs(t, err, want)
	p, ok := errors.AsType[*rampart.Problem](err)
	require.True(t, ok)
	assert.Equal(t, status, p.Status)
}

func TestWhatCannotBeBlocked(t *testing.T) {
	f := newFilter(t, ipfilter.Config{Deny: prefixes("192.0.2.0/24")})
	soon := time.Now().Add(time.Minute)
	for _, p := range []netip.Prefix{{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.0.0.0/7"), netip.MustParsePrefix("2000::/15"), netip.MustParsePrefix("::ffff:0.0.0.0/100")} {
		assertRefused(t, f.Block(t.Context(), p, soon), ipfilter.ErrPrefix, 422)
		require.ErrorIs(t, f.Unblock(t.Context(), p), ipfilter.ErrPrefix)
	}
	one := netip.MustParsePrefix("192.0.2.7/32")
	require.ErrorIs(t, f.Block(t.Context(), one, time.Now().Add(-1)), ipfilter.ErrUntil)
	require.ErrorIs(t, f.Block(t.Context(), one, time.Now().Add(367*24*time.Hour)), ipfilter.ErrUntil)
	var zero ipfilter.Filter
	require.Error(t, zero.Block(t.Context(), one, soon))
	require.Error(t, zero.Unblock(t.Context(), one))
	_, err := ipfilter.New(ipfilter.Config{Feed: &fakeFeed{}, MaxBlocks: -1})
	assert.ErrorContains(t, err, "Outage")
	assert.ErrorContains(t, err, "MaxBlocks")
	_, err = ipfilter.New(ipfilter.Config{Feed: &fakeFeed{}, Outage: 9})
	assert.ErrorContains(t, err, "Outage")
}

func TestTheOutagePolicySaysWhatHappensWhileTheFeedBringsNothing(t *testing.T) {
	blocked := netip.MustParsePrefix("192.0.2.7/32")
	for outage, want := range map[rampart.Outage]int{rampart.FailClosed: http.StatusServiceUnavailable, rampart.FailOpen: http.StatusOK} {
		fake := &fakeFeed{Feed: newFeed(t, feed.Memory())}
		f := newFilter(t, ipfilter.Config{Feed: fake, Outage: outage})
		require.NoError(t, f.Block(t.Context(), blocked, time.Now().Add(time.Hour)))
		w, reached := serve(f, from("192.0.2.8:1"))
		assert.True(t, reached, "the feed is fresh: %d", w.Code)
		fake.age = time.Minute
		w, reached = serve(f, from("192.0.2.8:1"))
		assert.Equal(t, want, w.Code)
		assert.Equal(t, want == http.StatusOK, reached)
		if !reached {
			assert.Equal(t, "1", w.Header().Get("Retry-After"))
			assert.Contains(t, w.Body.String(), `"code":"blocks_unavailable"`)
			assert.EqualError(t, f.Check(from("192.0.2.8:1")), "ipfilter: what is blocked is not known now")
		}
		w, _ = serve(f, from("192.0.2.7:1"))
		assert.Equal(t, http.StatusForbidden, w.Code, "what is known holds")
		var denied *ipfilter.DeniedError
		require.ErrorAs(t, f.Check(from("192.0.2.7:1")), &denied)
		assert.Equal(t, ipfilter.Blocked, denied.Reason)
		require.EqualError(t, denied, "ipfilter: client address 192.0.2.7 blocked")
		fake.err = errors.New("down")
		require.ErrorIs(t, f.Block(t.Context(), blocked, time.Now().Add(time.Hour)), fake.err)
	}
}

// logBuffer is a log that is read while timers write to it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestAChangeThatIsNotUnderstoodIsReported(t *testing.T) {
	log := new(logBuffer)
	shared := newFeed(t, feed.Memory())
	f := newFilter(t, ipfilter.Config{Feed: shared, Outage: rampart.FailOpen, MaxBlocks: 1, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	ends := fmt.Sprint(time.Now().Add(time.Hour).UnixMicro())
	for _, change := range []string{"", "192.0.2.7/32", "192.0.2.7 " + ends, "192.0.2.7/32 soon", "0.0.0.0/0 " + ends} {
		require.NoError(t, shared.Publish(t.Context(), "ipfilter.blocks", []byte(change), time.Hour))
	}
	assert.True(t, admits(f, "192.0.2.7:1"))
	assert.Equal(t, 1, strings.Count(log.String(), `"event":"sys_backend_unavailable"`), "folded")
	require.NoError(t, shared.Publish(t.Context(), "ipfilter.blocks", []byte("192.0.2.7/32 "+ends), time.Hour))
	assert.False(t, admits(f, "192.0.2.7:1"))
}

func BenchmarkCheck100kBlocks(b *testing.B) {
	n := 0
	addr := netip.MustParseAddr("10.0.0.1")
	f, err := ipfilter.New(ipfilter.Config{Deny: prefixes("192.0.2.0/24"), ClientIP: func(*http.Request) netip.Addr {
		n += 7919
		a := addr.As4()
		a[1], a[2], a[3] = byte(n>>16), byte(n>>8), byte(n)
		return netip.AddrFrom4(a)
	}})
	if err != nil {
		b.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	for i := range 100_000 {
		length := 32
		if i%10 == 0 {
			length = 24
		}
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), length).Masked()
		if err := f.Block(b.Context(), p, until); err != nil {
			b.Fatal(err)
		}
	}
	r := from("@")
	b.ReportAllocs()
	for b.Loop() {
		_ = f.Check(r)
	}
}

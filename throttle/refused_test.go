package throttle_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// refuse has a policy refuse a key so often: each time for more than it ever allows.
func refuse(t testing.TB, l *throttle.Limiter, policy, key string, times int) {
	t.Helper()
	for range times {
		if _, err := l.Take(t.Context(), policy, key, 1_000_000); err == nil {
			t.Fatalf("%q may pass", key)
		}
	}
}

// refusals is what Refused returns, as text.
func refusals(l *throttle.Limiter, policy string, n int) string {
	var all []string
	for _, k := range l.Refused(policy, n) {
		all = append(all, fmt.Sprintf("%s %d", k.Key, k.Count))
	}
	return strings.Join(all, ", ")
}

func TestRefusedNamesWhoIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(2))}})
		for _, addr := range []string{"192.0.2.7", "[2001:db8:1:2::3]", "[2001:db8:1:2::4]", "192.0.2.8", "192.0.2.9"} {
			for range 2 {
				serve(l, get(addr+":1"))
			}
		}
		assert.Equal(t, "2001:db8:1:2::/64 2", refusals(l, "anon", 10), "the others pass")
		serve(l, get("192.0.2.7:1"))
		for range 2 { // those with as many are in the order of their last
			time.Sleep(time.Second)
			serve(l, get("192.0.2.9:1"))
		}
		serve(l, get("192.0.2.8:1"))
		assert.Equal(t, "192.0.2.9 2, 2001:db8:1:2::/64 2, 192.0.2.8 1, 192.0.2.7 1", refusals(l, "anon", 10))
		assert.Equal(t, time.Now(), l.Refused("anon", 1)[0].Last)
		assert.Equal(t, time.Now().Add(-2*time.Second), l.Refused("anon", 4)[3].Last)

		_, err := l.Check(get("192.0.2.8:1"))
		require.Error(t, err)
		_, err = l.Take(t.Context(), "anon", "192.0.2.8", 1)
		require.Error(t, err)
		_, _, err = l.Reserve(t.Context(), "anon", "192.0.2.8", 1)
		require.Error(t, err)
		_, err = l.Peek(t.Context(), "anon", "192.0.2.8")
		require.NoError(t, err)
		for n, want := range map[int]string{1: "192.0.2.8 4", 2: "192.0.2.8 4, 192.0.2.9 2", 0: "", -1: ""} {
			assert.Equal(t, want, refusals(l, "anon", n))
		}
		assert.Len(t, l.Refused("anon", 1_000_000), 4)
		assert.Empty(t, l.Refused("other", 10))
		assert.Empty(t, new(throttle.Limiter).Refused("anon", 10))
	})
}

func TestRefusedCountsWhatAPolicyRefuses(t *testing.T) {
	wide, narrow, trial, unknown := anon(perHour(2)), anon(perHour(1)), anon(perHour(1)), anon(perHour(1))
	narrow.Name, narrow.Rate.Period = "narrow", time.Minute
	trial.Name, trial.Shadow = "trial", true
	unknown.Name, unknown.Key = "unknown", func(dst []byte, _ *http.Request) ([]byte, bool) { return dst, true }
	unknown.Match = func(r *http.Request) bool { return r.RemoteAddr == "192.0.2.9:1" }
	for desc, store := range map[string]throttle.Store{"memory": nil, "another store": &fakeStore{Store: throttle.NewMemory(0)}} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{unknown, trial, narrow, wide}, Store: store, Outage: rampart.FailClosed})
				ask := func(addr string, code int) {
					t.Helper()
					w, _ := serve(l, get(addr))
					assert.Equal(t, code, w.Code)
				}
				ask("192.0.2.7:1", http.StatusOK)
				ask("192.0.2.7:1", http.StatusTooManyRequests)
				assert.Equal(t, "192.0.2.7 1", refusals(l, "narrow", 10))
				time.Sleep(time.Minute)
				ask("192.0.2.7:1", http.StatusOK)
				ask("192.0.2.7:1", http.StatusTooManyRequests)
				ask("192.0.2.9:1", http.StatusForbidden)
				assert.Equal(t, "192.0.2.7 1", refusals(l, "narrow", 10), "another one refuses for longer")
				assert.Equal(t, "192.0.2.7 1", refusals(l, "anon", 10))
				assert.Equal(t, "192.0.2.7 1", refusals(l, "trial", 10), "a shadow would have refused the second that passed")
				assert.Empty(t, refusals(l, "unknown", 10), "it does not know whom")
				if r, ok := store.(*fakeStore); ok {
					r.err = errDown
					ask("192.0.2.7:1", http.StatusServiceUnavailable)
					assert.Equal(t, "192.0.2.7 1", refusals(l, "anon", 10), "nobody is to blame for an outage")
				}
			})
		})
	}
}

func TestRefusedForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(1))}})
		var last time.Time
		begun := time.Now()
		for _, step := range []struct {
			at    time.Duration
			times int // "a" is refused then
			want  string
		}{
			{0, 2, "a 2"},
			{5*time.Minute - 1, 1, "a 3"},
			{5 * time.Minute, 4, "a 7"},
			{10*time.Minute - 1, 0, "a 7"},
			{10 * time.Minute, 0, "a 4"},
			{15*time.Minute - 1, 0, "a 4"},
			{15 * time.Minute, 0, ""},
			{17 * time.Minute, 1, "a 1"}, // the span has begun at 15
			{25*time.Minute - 1, 0, "a 1"},
			{25 * time.Minute, 0, ""},
			{26 * time.Minute, 1, "a 1"},
			{31 * time.Minute, 1, "a 2"},
			{40 * time.Minute, 0, ""},
			{41 * time.Minute, 1, "a 1"},
			{46 * time.Minute, 1, "a 2"},
			{51 * time.Minute, 1, "a 2"},
			{24 * time.Hour, 1, "a 1"}, // long after both
		} {
			time.Sleep(time.Until(begun.Add(step.at)))
			if refuse(t, l, "anon", "a", step.times); step.times > 0 {
				last = time.Now()
			}
			assert.Equal(t, step.want, refusals(l, "anon", 10), step.at)
			for _, k := range l.Refused("anon", 1) {
				assert.Equal(t, last, k.Last)
			}
		}
	})
}

func TestRefusedShowsNoControlCharacters(t *testing.T) {
	joint := throttle.Joint(throttle.ByIP(nil), throttle.By("user", func(*http.Request) string { return "zoë" }))
	jointKey, _ := joint(nil, get("192.0.2.7:1"))
	for key, want := range map[string]string{
		"user:zoë 鍵":                    "user:zoë 鍵",
		"a\nb\x1b[2J\x00\x7f":           `a\nb\x1b[2J\x00\x7f`,
		"\u202ea\u2028":                 `\u202ea\u2028`,
		"\xff\"\\":                      `\xff\"\\`,
		string(jointKey):                `\t192.0.2.7\tuser:zoë`,
		strings.Repeat("x", 128):        strings.Repeat("x", 128),
		strings.Repeat("x", 127) + "yz": strings.Repeat("x", 127) + "y",
	} {
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(1))}})
		refuse(t, l, "anon", key, 1)
		assert.Equal(t, want+" 1", refusals(l, "anon", 10))
	}
}

func TestRefusedStaysBoundedAndFindsWhoIsRefusedMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(1))}})
		flood := func(name string, keys int) []throttle.RefusedKey {
			t.Helper()
			for i := range keys {
				if i%40 == 0 {
					refuse(t, l, "anon", name, 1)
				}
				refuse(t, l, "anon", fmt.Sprint(name, i), 1)
			}
			return l.Refused("anon", 1_000_000)
		}
		all := flood("early", 100_000)
		assert.Len(t, all, 64)
		assert.Equal(t, "early", all[0].Key)
		assert.Equal(t, 2500, all[0].Count, "it was never driven out")
		for _, k := range all[1:] {
			assert.Equal(t, 1, k.Count, "%s: no count is too high", k.Key)
		}
		all = flood("late", 10_000)
		assert.Len(t, all, 64)
		assert.Equal(t, []any{"early", 2500, "late", 250}, []any{all[0].Key, all[0].Count, all[1].Key, all[1].Count})
		time.Sleep(5 * time.Minute)
		all = flood("next", 10_000)
		assert.Len(t, all, 128, "of both spans")
		assert.Equal(t, "early", all[0].Key)
	})
}

func TestReconfigureKeepsWhoWasRefused(t *testing.T) {
	other := anon(perHour(1))
	other.Name = "other"
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{other, anon(perHour(1))}})
	refuse(t, l, "anon", "a", 1)
	refuse(t, l, "other", "b", 2)
	for range 2 {
		require.NoError(t, l.Reconfigure(throttle.Config{Policies: []throttle.Policy{anon(perHour(9))}, Logger: quiet()}))
		assert.Equal(t, "a 1", refusals(l, "anon", 10))
		assert.Empty(t, refusals(l, "other", 10))
	}
	require.NoError(t, l.Reconfigure(throttle.Config{Policies: []throttle.Policy{anon(perHour(9)), other}, Logger: quiet()}))
	assert.Equal(t, "a 1", refusals(l, "anon", 10))
	assert.Empty(t, refusals(l, "other", 10), "its name had gone")
}

func TestRefusedIsExactUnderConcurrency(t *testing.T) {
	cfg := throttle.Config{Policies: []throttle.Policy{anon(perHour(1))}, Logger: quiet()}
	l := newLimiter(t, cfg)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				refuse(t, l, "anon", "k"+fmt.Sprint(i%2), 1)
				l.Refused("anon", 1)
			}
		})
	}
	for range 20 {
		assert.NoError(t, l.Reconfigure(cfg))
	}
	wg.Wait()
	got := refusals(l, "anon", 10)
	assert.Contains(t, []string{"k0 800, k1 800", "k1 800, k0 800"}, got)
}

func TestARefusalOfAKnownKeyAllocatesNothing(t *testing.T) {
	count := throttle.CountRefusal()
	item := &throttle.Item{Key: "2001:db8:1:2::/64"}
	count(item)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { count(item) }))
}

func BenchmarkCountRefusal(b *testing.B) {
	for desc, keys := range map[string]int{"one key": 1, "as many keys as it knows": 64, "a flood of keys": 100_000} {
		b.Run(desc, func(b *testing.B) {
			count := throttle.CountRefusal()
			items := make([]throttle.Item, keys)
			for i, addr := range addresses(keys) {
				items[i].Key = addr.String()
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				count(&items[i])
				i = (i + 1) % keys
			}
		})
	}
}

package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/server"
)

func newMonitor(t testing.TB, cfg monitor.Config) *monitor.Monitor {
	t.Helper()
	if cfg.Handler == nil {
		cfg.Handler = slog.NewJSONHandler(io.Discard, nil)
	}
	m, err := monitor.New(cfg)
	require.NoError(t, err)
	return m
}

// series returns what a monitor tells, one line for each sample: name{label="value",…} n.
func series(m *monitor.Monitor) string {
	var lines []string
	for s := range m.Samples {
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, fmt.Sprintf("%s=%q", name, s.Labels[name]))
		}
		lines = append(lines, fmt.Sprintf("%s{%s} %g\n", s.Name, strings.Join(labels, ","), s.Value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// sum adds up the series of one event.
func sum(m *monitor.Monitor, event rampart.Event) (n int) {
	for s := range m.Samples {
		if s.Name == "rampart_events_total" && s.Labels["event"] == string(event) {
			n += int(s.Value)
		}
	}
	return n
}

// from is the context of a request from addr.
func from(t testing.TB, addr string) context.Context {
	t.Helper()
	var ctx context.Context
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(addr), 1).String()
	new(server.ClientIP).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() })). //nolint:fatcontext // no loop: one request
																ServeHTTP(httptest.NewRecorder(), r)
	return ctx
}

func TestAMonitorPassesRecordsOnAndCountsTheEventsAmongThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rs logtest.Records
		m := newMonitor(t, monitor.Config{Handler: slog.NewJSONHandler(&rs, nil)})
		log := slog.New(m).With("instance", "a").WithGroup("g")
		rep := rampart.NewReporter(log, "test")
		for range 7 {
			rep.Report(t.Context(), rampart.AuthzFail, "k", slog.String("reason", "scope"))
		}
		log.InfoContext(t.Context(), "authz_fail")                                // no event
		log.InfoContext(t.Context(), "started", "event", "authz_fail")            // nor this
		log.InfoContext(t.Context(), "own", "event", "own", "count", int64(5))    // one of the user's own
		log.InfoContext(t.Context(), "other", "event", "other", "count", "many")  // a count that is none
		log.DebugContext(t.Context(), "hidden", "event", "hidden")                // below the handler's level
		log.InfoContext(t.Context(), "odd", "event", "odd", "count", int64(-100)) // counts never go back
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, 7, sum(m, rampart.AuthzFail))
		assert.Contains(t, series(m), `rampart_events_total{event="authz_fail",layer="test",reason="scope"} 7`)
		assert.Equal(t, 5, sum(m, "own"))
		assert.Equal(t, 1, sum(m, "other"))
		assert.Equal(t, 1, sum(m, "odd"))
		assert.Zero(t, sum(m, "hidden"))
		got := rs.All(t)
		require.Len(t, got, 7)
		assert.Equal(t, "a", got[0]["instance"])
	})
}

func TestEventsAreCountedEvenIfTheHandlerDoesNotWantThem(t *testing.T) {
	var rs logtest.Records
	m := newMonitor(t, monitor.Config{Handler: slog.NewJSONHandler(&rs, &slog.HandlerOptions{Level: slog.LevelError})})
	rampart.NewReporter(slog.New(m), "test").Report(t.Context(), rampart.AuthnLoginSuccess, "k")
	assert.Equal(t, 1, sum(m, rampart.AuthnLoginSuccess))
	assert.Empty(t, rs.All(t))
	assert.False(t, m.Enabled(t.Context(), slog.LevelDebug))
}

// alerts collects what an alert function is called with.
type alerts struct {
	mu  sync.Mutex
	all []monitor.Alert
	at  []time.Time
}

func (as *alerts) add(_ context.Context, a monitor.Alert) error {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.all, as.at = append(as.all, a), append(as.at, time.Now())
	return nil
}

func (as *alerts) list() []monitor.Alert {
	as.mu.Lock()
	defer as.mu.Unlock()
	return append([]monitor.Alert(nil), as.all...)
}

func TestAnAlertFiresWithinASecondOfItsThresholdAndOnceAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var as alerts
		var rs logtest.Records
		m := newMonitor(t, monitor.Config{
			Handler: slog.NewJSONHandler(&rs, nil),
			Rules:   []monitor.Rule{{Name: "guessing", Events: []rampart.Event{rampart.AuthnLoginFail}, Key: monitor.ByAddress, Threshold: 20, Window: time.Minute}},
			Alert:   as.add,
		})
		defer m.Close()
		rep := rampart.NewReporter(slog.New(m), "test")
		ctx := from(t, "192.0.2.7")
		var reached time.Time
		for i := range 590 { // one each 100 ms: 59 s
			rep.Report(ctx, rampart.AuthnLoginFail, "192.0.2.7")
			rep.Report(ctx, rampart.AuthzFail, "another event")
			if i == 19 {
				reached = time.Now()
			}
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		got := as.list()
		require.Len(t, got, 1)
		assert.LessOrEqual(t, as.at[0].Sub(reached), time.Second)
		assert.Equal(t, "guessing", got[0].Rule)
		assert.Equal(t, "192.0.2.7", got[0].Key)
		assert.GreaterOrEqual(t, got[0].Count, int64(20))
		for range 100 { // into the next window
			rep.Report(ctx, rampart.AuthnLoginFail, "192.0.2.7")
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		require.Len(t, as.list(), 2)
		assert.GreaterOrEqual(t, as.at[1].Sub(as.at[0]), time.Minute)
		assert.Equal(t, 2, logtest.Total(rs.All(t), rampart.SysAlert), "each alert is a line in the log")
		assert.Contains(t, series(m), `rampart_alerts_total{rule="guessing"} 2`)
	})
}

func TestAThresholdIsAboutTheLastWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var as alerts
		m := newMonitor(t, monitor.Config{
			Rules: []monitor.Rule{{Name: "r", Key: monitor.BySubject, Threshold: 10, Window: time.Minute}},
			Alert: as.add,
		})
		defer m.Close()
		log := slog.New(m)
		one := func(n int) {
			log.LogAttrs(t.Context(), slog.LevelWarn, "e", slog.String("event", "e"), slog.Int("count", n), slog.String("subject", "s"))
			synctest.Wait()
		}
		one(9)
		time.Sleep(65 * time.Second) // past the window and its fifteenth
		one(9)
		assert.Empty(t, as.list(), "the first nine are gone")
		time.Sleep(55 * time.Second) // across what a fixed window's border might be
		one(1)
		require.Len(t, as.list(), 1)
		assert.Equal(t, int64(10), as.list()[0].Count)
	})
}

func TestRulesCountByAddressSubjectAndKeyID(t *testing.T) {
	tests := []struct {
		desc string
		rule monitor.Rule
		logs [][]any // three records each
		keys []string
	}{
		{
			"by address",
			monitor.Rule{Key: monitor.ByAddress},
			[][]any{{"client_ip", "192.0.2.1"}, {"client_ip", "192.0.2.2"}, {"client_ip", "192.0.2.1"}, {"x", 1}, {"x", 1}},
			[]string{"192.0.2.1"},
		},
		{
			"IPv6 by /64",
			monitor.Rule{Key: monitor.ByAddress},
			[][]any{{"client_ip", "2001:db8::1"}, {"client_ip", "2001:db8::2"}},
			[]string{"2001:db8::/64"},
		},
		{
			"by subject",
			monitor.Rule{Key: monitor.BySubject},
			[][]any{{"subject", "7"}, {"subject", "8"}, {"subject", "8"}},
			[]string{"8"},
		},
		{
			"by key id",
			monitor.Rule{Key: monitor.ByKeyID},
			[][]any{{"key_id", "a"}, {"key_id", "a"}, {"key_id", "b"}},
			[]string{"a"},
		},
		{
			"all together",
			monitor.Rule{},
			[][]any{{"a", 1}, {"b", 1}},
			[]string{""},
		},
		{
			"a rule of one's own",
			monitor.Rule{
				Match: func(o monitor.Occurrence) bool { v, ok := o.Attr("path"); return ok && v.String() == "/admin" },
				Key:   func(o monitor.Occurrence) string { return string(o.Event) + "\n" + strings.Repeat("x", 1000) },
			},
			[][]any{{"path", "/"}, {"path", "/admin"}, {"path", "/"}, {"path", "/admin"}},
			[]string{`e\n` + strings.Repeat("x", 253) + "…"},
		},
		{
			"one that panics",
			monitor.Rule{Key: func(monitor.Occurrence) string { panic("no") }},
			[][]any{{"a", 1}, {"a", 1}, {"a", 1}},
			nil,
		},
		{
			"other events",
			monitor.Rule{Events: []rampart.Event{"f"}},
			[][]any{{"a", 1}, {"a", 1}, {"a", 1}},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			var as alerts
			tt.rule.Name, tt.rule.Threshold, tt.rule.Window = "r", 2, time.Hour
			m := newMonitor(t, monitor.Config{Rules: []monitor.Rule{tt.rule}, Alert: as.add})
			for _, attrs := range tt.logs {
				slog.New(m).WarnContext(t.Context(), "e", append(attrs, "event", "e")...)
			}
			require.NoError(t, m.Close(), "what is queued is handed over first")
			var keys []string
			for _, a := range as.list() {
				keys = append(keys, a.Key)
			}
			assert.Equal(t, tt.keys, keys)
			if tt.desc == "one that panics" {
				assert.Contains(t, series(m), "rampart_alert_panics_total{} 3")
			}
		})
	}
}

// A key that has fired must not fire again in its window because a flood of
// busier keys pushed it out.
func TestAFloodDoesNotMakeAKeyFireTwiceInItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var as alerts
		const window = 160 * time.Second
		m := newMonitor(t, monitor.Config{Rules: []monitor.Rule{{Name: "r", Key: monitor.BySubject, Threshold: 100, Window: window}}, Alert: as.add})
		log := slog.New(m)
		happen := func(subject string, count int) {
			log.WarnContext(t.Context(), "e", "event", "e", "count", count, "subject", subject)
		}
		happen("victim", 95)
		time.Sleep(window * 9 / 10)
		happen("victim", 5) // fires; quiet for a window
		synctest.Wait()
		time.Sleep(window * 3 / 10) // its first 95 have left
		for i := range 30_000 {
			happen(strconv.Itoa(i), 50)
		}
		happen("victim", 100)
		synctest.Wait()
		require.NoError(t, m.Close())
		firing := slices.DeleteFunc(as.list(), func(a monitor.Alert) bool { return a.Resolved })
		assert.Len(t, firing, 1)
	})
}

func TestASlowOrPanickingAlertFunctionDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int64
		m := newMonitor(t, monitor.Config{
			Rules: []monitor.Rule{{Name: "r", Key: monitor.BySubject, Threshold: 1, Window: time.Hour}},
			Alert: func(context.Context, monitor.Alert) error {
				if calls.Add(1) == 1 {
					<-release
				}
				panic("an alert function that fails")
			},
		})
		log, began := slog.New(m), time.Now()
		for i := range 200 {
			log.WarnContext(t.Context(), "e", "event", "e", "subject", strconv.Itoa(i))
		}
		assert.Zero(t, time.Since(began))
		synctest.Wait()
		text := series(m)
		assert.Contains(t, text, `rampart_alerts_total{rule="r"} 200`)
		dropped := regexp.MustCompile(`rampart_alerts_dropped_total\{rule="r"\} (\d+)`).FindStringSubmatch(text)
		n, err := strconv.Atoi(dropped[1])
		require.NoError(t, err)
		assert.InDelta(t, 200-64-1, n, 1, "a bounded queue, one in work")
		close(release)
		require.NoError(t, m.Close())
		require.NoError(t, m.Close(), "again")
		assert.Equal(t, 200-int64(n), calls.Load())
		assert.Contains(t, series(m), fmt.Sprintf("rampart_alert_panics_total{} %d", calls.Load()))
	})
}

func TestCloseLeavesAnAlertFunctionThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		m := newMonitor(t, monitor.Config{
			Rules: []monitor.Rule{{Name: "r", Threshold: 1, Window: time.Hour}},
			Alert: func(context.Context, monitor.Alert) error { <-forever; return nil },
		})
		slog.New(m).WarnContext(t.Context(), "e", "event", "e")
		began := time.Now()
		require.ErrorIs(t, m.Close(), monitor.ErrAlertStuck)
		assert.Equal(t, 6*time.Second, time.Since(began))
		close(forever)

		m = newMonitor(t, monitor.Config{
			Rules: []monitor.Rule{{Name: "r", Threshold: 1, Window: time.Hour}},
			Alert: func(ctx context.Context, _ monitor.Alert) error { <-ctx.Done(); return nil },
		})
		slog.New(m).WarnContext(t.Context(), "e", "event", "e")
		require.NoError(t, m.Close(), "one that heeds it ends in time")
	})
}

func TestManyKeysDoNotPushOutTheOneThatMatters(t *testing.T) {
	var as alerts
	m := newMonitor(t, monitor.Config{
		Rules: []monitor.Rule{{Name: "r", Key: monitor.BySubject, Threshold: 100, Window: time.Hour}},
		Alert: as.add,
	})
	log := slog.New(m)
	for i := range 50_000 {
		log.WarnContext(t.Context(), "e", "event", "e", "subject", strconv.Itoa(i))
		if i%500 == 0 {
			log.WarnContext(t.Context(), "e", "event", "e", "subject", "heavy", "count", 2)
		}
	}
	require.NoError(t, m.Close())
	require.Len(t, as.list(), 1)
	assert.Equal(t, "heavy", as.list()[0].Key)
	text := series(m)
	assert.Contains(t, text, `rampart_alert_keys{rule="r"} 10000`)
	assert.Contains(t, text, `rampart_alert_keys_evicted_total{rule="r"} 40001`)
}

func TestKeysWhoseWindowHasPassedMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, monitor.Config{Rules: []monitor.Rule{{Name: "r", Key: monitor.BySubject, Threshold: 2, Window: time.Second}}})
		log := slog.New(m)
		for range 3 {
			for i := range 10_000 {
				log.WarnContext(t.Context(), "e", "event", "e", "subject", time.Now().String()+strconv.Itoa(i))
			}
			time.Sleep(3 * time.Second)
		}
		assert.Contains(t, series(m), `rampart_alert_keys_evicted_total{rule="r"} 0`)
	})
}

func TestTheSamplesAreBoundedAndAddUp(t *testing.T) {
	m := newMonitor(t, monitor.Config{Labels: []string{"reason"}, Rules: []monitor.Rule{{Name: "a \"rule\"\n", Threshold: 1 << 30, Window: time.Hour}}})
	log := slog.New(m)
	for i := range 1000 {
		log.WarnContext(t.Context(), fmt.Sprintf("e%d", i), "event", fmt.Sprintf("e%d", i), "reason", "r")
	}
	for i := range 1000 {
		log.WarnContext(t.Context(), "e1", "event", "e1", "reason", fmt.Sprintf("r%d\"\n\\%s", i, strings.Repeat("é", 200)))
	}
	n, all := 0, 0.0
	for s := range m.Samples {
		if s.Name == "rampart_events_total" {
			n++
			all += s.Value
		}
	}
	assert.Less(t, n, 128+2+64)
	assert.InDelta(t, 2000, all, 0)
	text := series(m)
	assert.Contains(t, text, `event="other"`)
	assert.Contains(t, text, `rule="a \"rule\"\\n"`)
	for range m.Samples { // may be left early
		break
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := monitor.New(monitor.Config{
		Rules: []monitor.Rule{
			{Name: "a", Threshold: 1, Window: time.Minute},
			{Name: "a"},
			{Threshold: 1, Window: 48 * time.Hour},
		},
		Labels: []string{"ok", "ok", "a-b", "", "1a", "__a", "event"},
	})
	var got []string
	for m := range rampart.Mistakes(err) {
		got = append(got, m.Field+" "+string(m.Reason)+" "+m.Value)
	}
	assert.Equal(t, []string{
		"Handler missing ", "Rules[1].Name duplicate a", "Rules[1].Threshold invalid 0", "Rules[1].Window invalid 0s",
		"Rules[2].Name missing ", "Rules[2].Window invalid 48h0m0s",
		"Labels duplicate ok", "Labels invalid a-b", "Labels invalid ", "Labels invalid 1a", "Labels invalid __a", "Labels invalid event",
	}, got)
	_, err = monitor.New(monitor.Config{Handler: slog.DiscardHandler, Alert: func(context.Context, monitor.Alert) error { return nil }})
	assert.Equal(t, "Alert: pointless", conferrtest.Text(err))
}

func TestAZeroMonitorDropsEverything(t *testing.T) {
	m := new(monitor.Monitor)
	log := slog.New(m).With("a", 1).WithGroup("g")
	log.ErrorContext(t.Context(), "e", "event", "e")
	assert.NoError(t, m.Handle(t.Context(), slog.Record{}))
	assert.NoError(t, m.Close())
	assert.Empty(t, series(m))
}

func TestWhatTheHandlerFailsWithIsPassedOn(t *testing.T) {
	m := newMonitor(t, monitor.Config{Handler: failing{slog.DiscardHandler}})
	assert.ErrorIs(t, m.Handle(t.Context(), slog.Record{}), errFull)
}

var errFull = errors.New("disk full")

type failing struct{ slog.Handler }

func (failing) Enabled(context.Context, slog.Level) bool      { return true }
func (failing) Handle(_ context.Context, _ slog.Record) error { return errFull }

// countingWriter counts lines, so that a flood's log needs no memory.
type countingWriter struct{ lines atomic.Int64 }

func (w *countingWriter) Write(b []byte) (int, error) {
	w.lines.Add(1)
	return len(b), nil
}

func TestAFloodOfRefusalsIsCountedExactlyInFewLinesAndLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w countingWriter
		m := newMonitor(t, monitor.Config{
			Handler: slog.NewJSONHandler(&w, nil),
			Rules:   []monitor.Rule{{Name: "by address", Key: monitor.ByAddress, Threshold: 1000, Window: time.Minute}},
		})
		rep := rampart.NewReporter(slog.New(m), "test")
		r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		const seconds, rate = 3, 100_000 // from 100 000 peers
		for second := range seconds {
			for i := range rate {
				if i%(rate/100) == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				r.RemoteAddr = peerNumber[i%len(peerNumber)]
				rep.Refused(r, rampart.ExcessRateLimit, "", slog.String("reason", "quota_exceeded"))
			}
			synctest.Wait()
			assert.LessOrEqual(t, w.lines.Load(), int64(1000*(second+1)), "lines after %d s", second+1)
		}
		rep.Flush()
		runtime.GC()
		runtime.ReadMemStats(&after)
		assert.Equal(t, seconds*rate, sum(m, rampart.ExcessRateLimit))
		assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
	})
}

func TestARefusalInAFloodAllocatesTwiceAtMost(t *testing.T) {
	m := newMonitor(t, monitor.Config{Rules: []monitor.Rule{{Name: "by address", Key: monitor.ByAddress, Threshold: 1000, Window: time.Minute}}})
	rep := rampart.NewReporter(slog.New(m), "test")
	r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
	n := 0
	refuse := func() {
		r.RemoteAddr = peerNumber[n%len(peerNumber)]
		n++
		rep.Refused(r, rampart.ExcessRateLimit, "", slog.String("reason", "quota_exceeded"))
	}
	for range peerNumber { // until every place is taken
		refuse()
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(10_000, refuse), 2.0)
	rep.Flush()
	assert.Equal(t, n, sum(m, rampart.ExcessRateLimit))
}

// peerNumber are the peers of a flood.
var peerNumber = func() (all [100_000]string) {
	for i := range all {
		all[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1).String()
	}
	return all
}()

// BenchmarkRefusalInAFlood is what event and counters cost a refusal when 100 000
// clients are refused in turn: at most 300 ns and 2 allocations.
func BenchmarkRefusalInAFlood(b *testing.B) {
	m := newMonitor(b, monitor.Config{Rules: []monitor.Rule{{Name: "by address", Key: monitor.ByAddress, Threshold: 1000, Window: time.Minute}}})
	rep := rampart.NewReporter(slog.New(m), "test")
	r := httptest.NewRequest(http.MethodGet, "/api/public/", nil)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		r.RemoteAddr = peerNumber[i%len(peerNumber)]
		rep.Refused(r, rampart.ExcessRateLimit, "", slog.String("reason", "quota_exceeded"))
		i++
	}
}

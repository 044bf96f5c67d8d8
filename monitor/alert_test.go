package monitor_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/monitor"
)

func TestAnAlertIsResolvedOnceItsEventsHaveLeftTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var as alerts
		var rs logtest.Records
		m := newMonitor(t, monitor.Config{
			Handler: slog.NewJSONHandler(&rs, nil),
			Rules:   []monitor.Rule{{Name: "guessing", Events: []rampart.Event{"e"}, Key: monitor.BySubject, Threshold: 10, Window: time.Minute}},
			Alert:   as.add,
		})
		log := slog.New(m)
		happen := func(subject string, n int) {
			log.WarnContext(t.Context(), "e", "event", "e", "count", n, "subject", subject)
			synctest.Wait()
		}
		happen("s", 9)
		assert.Contains(t, series(m), `rampart_alerts_firing{rule="guessing"} 0`)
		happen("s", 1)
		happen("other", 10)
		assert.Contains(t, series(m), `rampart_alerts_firing{rule="guessing"} 2`)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		require.Len(t, as.list(), 2, "still firing")
		began := time.Now()
		happen("s", 10) // holds the alert of s for another window, and tells nobody again
		time.Sleep(16 * time.Second)
		synctest.Wait()
		require.Len(t, as.list(), 3)
		got := as.list()[2]
		assert.Equal(t, monitor.Alert{Rule: "guessing", Key: "other", Window: time.Minute, At: got.At, Resolved: true}, got)
		assert.Contains(t, series(m), `rampart_alerts_firing{rule="guessing"} 1`)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, as.list(), 4)
		assert.Equal(t, "s", as.list()[3].Key)
		assert.True(t, as.list()[3].Resolved)
		assert.InDelta(t, 62, as.at[3].Sub(began).Seconds(), 3.5, "a window, and 1/15 of it, and a second")
		time.Sleep(time.Hour)
		assert.Len(t, as.list(), 4, "once")
		happen("s", 10)
		require.Len(t, as.list(), 5)
		assert.False(t, as.list()[4].Resolved)
		require.NoError(t, m.Close())
		lines := rs.All(t)
		assert.Equal(t, 5, logtest.Total(lines, rampart.SysAlert), "each is a line in the log")
		assert.Equal(t, 5, sum(m, rampart.SysAlert), "and counted")
		assert.Equal(t, true, lines[len(lines)-3]["resolved"])
	})
}

func TestAResolvedAlertComesBehindItsBeginningAndIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var as alerts
		m := newMonitor(t, monitor.Config{
			Rules: []monitor.Rule{{Name: "r", Key: monitor.BySubject, Threshold: 1, Window: time.Second}},
			Alert: func(ctx context.Context, a monitor.Alert) error {
				<-release
				return as.add(ctx, a)
			},
		})
		log := slog.New(m)
		for i := range 100 {
			log.WarnContext(t.Context(), "e", "event", "e", "subject", strconv.Itoa(i))
		}
		time.Sleep(time.Minute) // the queue is full, and all are over
		close(release)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, m.Close())
		began, over := map[string]bool{}, map[string]bool{}
		for _, a := range as.list() {
			if a.Resolved {
				over[a.Key] = true
				continue
			}
			assert.False(t, over[a.Key], "%s was over before it began", a.Key)
			began[a.Key] = true
		}
		assert.GreaterOrEqual(t, len(began), 64)
		assert.Len(t, over, 100, "those that the queue had no room for, too: they are in the log")
	})
}

func TestAlertsWithoutAFunctionAreForgottenWhenTheyAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, monitor.Config{Rules: []monitor.Rule{{Name: "r", Threshold: 1, Window: time.Minute}}})
		slog.New(m).WarnContext(t.Context(), "e", "event", "e")
		assert.Contains(t, series(m), `rampart_alerts_firing{rule="r"} 1`)
		time.Sleep(2 * time.Minute)
		assert.Contains(t, series(m), `rampart_alerts_firing{rule="r"} 0`)
	})
}

func TestAnAlertThatIsNotDeliveredIsLoggedAndCounted(t *testing.T) {
	var rs logtest.Records
	m := newMonitor(t, monitor.Config{
		Handler: slog.NewJSONHandler(&rs, nil),
		Rules:   []monitor.Rule{{Name: "r", Threshold: 1, Window: time.Hour}, {Name: "other", Threshold: 5, Window: time.Hour}},
		Alert:   func(context.Context, monitor.Alert) error { return errors.New("no\nway") },
	})
	slog.New(m).WarnContext(t.Context(), "e", "event", "e")
	require.NoError(t, m.Close())
	assert.Contains(t, series(m), `rampart_alerts_failed_total{rule="r"} 1`)
	assert.Contains(t, series(m), `rampart_alerts_failed_total{rule="other"} 0`)
	last := rs.All(t)[2]
	assert.Equal(t, []any{"an alert was not delivered", "ERROR", "r", `no\nway`}, []any{last["msg"], last["level"], last["rule"], last["error"]})
}

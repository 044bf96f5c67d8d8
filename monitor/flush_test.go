package monitor_test

import (
	"log/slog"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/monitor"
)

func TestWhatTheReportersOfAllLayersHoldBackIsWrittenAtTheEnd(t *testing.T) {
	for name, end := range map[string]func(*monitor.Monitor){
		"Flush": (*monitor.Monitor).Flush,
		"Close": func(m *monitor.Monitor) { assert.NoError(t, m.Close()) },
	} {
		synctest.Test(t, func(t *testing.T) { // its clock stands still meanwhile
			logs := &logtest.Records{}
			m, err := monitor.New(monitor.Config{Handler: logs.Logger().Handler()})
			require.NoError(t, err)
			loggers := []*slog.Logger{slog.New(m), slog.New(m).With("layer", "b"), slog.New(m).WithGroup("c")}
			for _, log := range loggers {
				rp := rampart.NewReporter(log, "test")
				for range 10 {
					rp.Report(t.Context(), rampart.AuthzFail, "k")
				}
			}
			counted := regexp.MustCompile(`(?m)^rampart_events_total{event="authz_fail".*} 30$`)
			assert.NotRegexp(t, counted, series(m))
			end(m)
			assert.Regexp(t, counted, series(m), name)
			end(m)
			assert.Regexp(t, counted, series(m), name)
		})
	}
	(&monitor.Monitor{}).Flush()
}

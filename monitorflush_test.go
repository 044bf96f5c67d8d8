package rampart_test

import (
	"log/slog"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/logtest"
)

func TestWhatTheReportersOfAllLayersHoldBackIsWrittenAtTheEnd(t *testing.T) {
	for name, end := range map[string]func(*rampart.Monitor){
		"Flush": (*rampart.Monitor).Flush,
		"Close": func(m *rampart.Monitor) { assert.NoError(t, m.Close()) },
	} {
		synctest.Test(t, func(t *testing.T) { // its clock stands still meanwhile
			logs := &logtest.Records{}
			m, err := rampart.NewMonitor(rampart.MonitorConfig{Handler: logs.Logger().Handler()})
			require.NoError(t, err)
			loggers := []*slog.Logger{slog.New(m), slog.New(m).With("layer", "b"), slog.New(m).WithGroup("c")}
			for _, log := range loggers {
				rp := rampart.NewReporter(log)
				for range 10 {
					rp.Report(t.Context(), rampart.AuthzFail, "k")
				}
			}
			counted := regexp.MustCompile(`(?m)^rampart_events_total{event="authz_fail".*} 30$`)
			assert.NotRegexp(t, counted, metrics(t, m))
			end(m)
			assert.Regexp(t, counted, metrics(t, m), name)
			end(m)
			assert.Regexp(t, counted, metrics(t, m), name)
		})
	}
	(&rampart.Monitor{}).Flush()
}

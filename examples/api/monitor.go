package main

import (
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/monitor"
)

// newMonitor counts what the layers report, and says in the log when a human
// should look. A service of one's own would set Alert, too, to call somebody.
func newMonitor(next slog.Handler) (*monitor.Monitor, error) {
	return monitor.New(monitor.Config{
		Handler: next,
		Rules: []monitor.Rule{
			{Name: "stolen_token", Events: []rampart.Event{rampart.AuthnTokenReuse}, Key: monitor.BySubject, Threshold: 1, Window: time.Hour},
			{Name: "guessing", Events: []rampart.Event{rampart.AuthnLoginFail}, Key: monitor.ByAddress, Threshold: 50, Window: 10 * time.Minute},
			{Name: "guessing_by_many", Events: []rampart.Event{rampart.AuthnLoginFail}, Threshold: 1000, Window: 10 * time.Minute},
			{Name: "flood", Events: []rampart.Event{rampart.ExcessRateLimit}, Threshold: 10_000, Window: time.Minute},
			{Name: "altered_ciphertext", Events: []rampart.Event{rampart.CryptDecryptFail}, Threshold: 1, Window: time.Hour},
			{Name: "backend_down", Events: []rampart.Event{rampart.SysBackendUnavailable}, Threshold: 1, Window: 10 * time.Minute},
		},
	})
}

package main

import (
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
)

// newMonitor counts what the layers report, and says in the log when a human
// should look. A service of one's own would set Alert, too, to call somebody.
func newMonitor(log *slog.Logger) (*rampart.Monitor, error) {
	return rampart.NewMonitor(rampart.MonitorConfig{
		Handler: log.Handler(),
		Rules: []rampart.AlertRule{
			{Name: "stolen_token", Events: []rampart.Event{rampart.AuthnTokenReuse}, Key: rampart.BySubject, Threshold: 1, Window: time.Hour},
			{Name: "guessing", Events: []rampart.Event{rampart.AuthnLoginFail}, Key: rampart.ByAddress, Threshold: 50, Window: 10 * time.Minute},
			{Name: "guessing_by_many", Events: []rampart.Event{rampart.AuthnLoginFail}, Threshold: 1000, Window: 10 * time.Minute},
			{Name: "flood", Events: []rampart.Event{rampart.ExcessRateLimit}, Threshold: 10_000, Window: time.Minute},
			{Name: "altered_ciphertext", Events: []rampart.Event{rampart.CryptDecryptFail}, Threshold: 1, Window: time.Hour},
			{Name: "backend_down", Events: []rampart.Event{rampart.SysBackendUnavailable}, Threshold: 1, Window: 10 * time.Minute},
		},
	})
}

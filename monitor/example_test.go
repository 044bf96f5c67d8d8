package monitor_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/monitor"
)

// Every layer that takes this logger is watched.
func ExampleMonitor() {
	monitor, err := monitor.New(monitor.Config{
		Handler: slog.DiscardHandler, // slog.NewJSONHandler(os.Stderr, nil)
		Rules: []monitor.Rule{
			{Name: "guessing", Events: []rampart.Event{rampart.AuthnLoginFail}, Key: monitor.ByAddress, Threshold: 3, Window: time.Minute},
		},
		Alert: func(_ context.Context, a monitor.Alert) error { // call somebody, or use a Webhook
			_, err := fmt.Println(a.Rule, a.Key, a.Count)
			return err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	log := slog.New(monitor)
	reporter := rampart.NewReporter(log, "test")
	r := httptest.NewRequest(http.MethodPost, "/api/token/", nil)
	r.RemoteAddr = "203.0.113.7:4711"
	for range 4 {
		reporter.Refused(r, rampart.AuthnLoginFail, "")
	}
	reporter.Flush() // else within a second
	if err := monitor.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: guessing 203.0.113.7 4
}

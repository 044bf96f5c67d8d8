package rampart_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ecolaura/rampart"
)

// Every layer that takes this logger is watched.
func ExampleMonitor() {
	monitor, err := rampart.NewMonitor(rampart.MonitorConfig{
		Handler: slog.DiscardHandler, // slog.NewJSONHandler(os.Stderr, nil)
		Rules: []rampart.AlertRule{
			{Name: "guessing", Events: []rampart.Event{rampart.AuthnLoginFail}, Key: rampart.ByAddress, Threshold: 3, Window: time.Minute},
		},
		Alert: func(_ context.Context, a rampart.Alert) { fmt.Println(a.Rule, a.Key, a.Count) }, // call somebody
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	log := slog.New(monitor)
	reporter := rampart.NewReporter(log)
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

func ExampleHealth() {
	health, err := rampart.NewHealth(rampart.HealthConfig{
		Checks: []rampart.HealthCheck{{Name: "database", Check: func(context.Context) error { return nil }}}, // db.PingContext
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/livez", health.Live())
	mux.Handle("/readyz", health.Ready())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	fmt.Print(w.Code, " ", w.Body)
	health.Drain() // a shutdown begins
	fmt.Println(health.Check(context.Background()))
	// Output:
	// 200 {"status":"ok"}
	// rampart: not ready
}

package incident_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
)

// A service that can end sessions and lock itself down, in ten lines. The functions are
// those of session.Service and apikey.Keys as they are; here one prints.
func Example() {
	lockdown, err := incident.NewLockdown(incident.LockdownConfig{Open: []string{"/ops/*", "/login/"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	operator, err := incident.New(incident.Config{EndSubject: endSubject, Lockdown: lockdown, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/ops/", asOperator(http.StripPrefix("/ops", operator.Handler())))
	mux.HandleFunc("POST /orders/", func(http.ResponseWriter, *http.Request) {})
	service := lockdown.Handler(mux)

	send := func(path, body string) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Println(path, w.Code)
	}
	send("/ops/sessions/end/", `{"subject":"alice","note":"case 7"}`)
	send("/orders/", `{}`)
	send("/ops/lockdown/", `{"mode":"read_only","for":"1h"}`)
	send("/orders/", `{}`)
	send("/ops/lockdown/lift/", `{}`)
	send("/orders/", `{}`)
	// Output:
	// the 2 sessions of alice have ended
	// /ops/sessions/end/ 200
	// /orders/ 200
	// /ops/lockdown/ 200
	// /orders/ 503
	// /ops/lockdown/lift/ 200
	// /orders/ 200
}

func endSubject(_ context.Context, subject string) (int, error) {
	fmt.Println("the 2 sessions of", subject, "have ended")
	return 2, nil
}

// asOperator stands for the layer that says who calls.
func asOperator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(rampart.WithCaller(r.Context(), rampart.Caller{Kind: rampart.KindToken, Subject: "oscar", Scope: "ops"})))
	})
}

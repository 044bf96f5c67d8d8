package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart/server"
)

func ExampleHealth() {
	health, err := server.NewHealth(server.HealthConfig{
		Checks: []server.HealthCheck{{Name: "database", Check: func(context.Context) error { return nil }}}, // db.PingContext
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
	// server: not ready
}

package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"

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

func ExampleAdmin() {
	health, err := server.NewHealth(server.HealthConfig{
		Version: "v1.4.0",
		Checks: []server.HealthCheck{{
			Name: "feed", Optional: true, Check: func(context.Context) error { return nil },
			Info: func() map[string]any { return map[string]any{"sequence": 42} },
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	admin, err := server.NewAdmin(server.AdminConfig{
		Health: health,
		Handlers: map[string]http.Handler{
			"/debug/pprof/":        http.HandlerFunc(pprof.Index),
			"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// server.New(server.Config{Handler: admin, Addr: "127.0.0.1:6060"}) serves it.
	for _, url := range []string{"http://127.0.0.1:6060/readyz", "http://rebound.example:6060/health"} {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"status":"ok"}
	// 421 {"title":"Misdirected Request","status":421,"detail":"Bad host.","code":"bad_host"}
}

func ExampleLogWriter() {
	direct := slog.New(slog.NewJSONHandler(os.Stdout, nil)) // in a service: os.Stderr
	w, err := server.NewLogWriter(server.LogWriterConfig{
		To:   os.Stdout,
		Lost: func(n uint64) { direct.Warn("the log lacks records", slog.Uint64("count", n)) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: plain}))
	log.Info("served")
	if err := w.Close(context.Background()); err != nil { // in a service: for a second, at its end
		fmt.Println(err)
	}
	// Output: {"level":"INFO","msg":"served"}
}

package main

import (
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/monitor/prom"
)

// newMonitor counts what the layers report, and says in the log when a human
// should look. Your own service would set Alert, too, to call somebody.
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

// metrics is what Prometheus asks for, and the layer that measures requests for it.
type metrics struct {
	requests layer
	handler  http.Handler
}

// newMetrics tells what the layers count, the pool of the database, the build, and what
// Go's runtime and the process use.
func newMetrics(srv *instance) (*metrics, error) {
	sources := []iter.Seq[rampart.Sample]{srv.monitor.Samples, srv.shared.feed.Samples}
	for _, l := range srv.layers.limiters {
		sources = append(sources, l.Samples)
	}
	layers, err := prom.New(prom.Config{Sources: sources})
	if err != nil {
		return nil, err
	}
	all := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		layers, collectors.NewDBStatsCollector(srv.db.DB, "main"), collectors.NewBuildInfoCollector(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		err = errors.Join(err, all.Register(c))
	}
	return &metrics{layers.Handler, promhttp.HandlerFor(all, promhttp.HandlerOpts{})}, err
}

package gateway

import (
	"iter"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/monitor/prom"
)

// metrics serves what events counts.
func metrics(events *monitor.Monitor) (http.Handler, error) {
	c, err := prom.New(prom.Config{Sources: []iter.Seq[rampart.Sample]{events.Samples}})
	if err != nil {
		return nil, err
	}
	all := prometheus.NewRegistry()
	if err := all.Register(c); err != nil {
		return nil, err
	}
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{DisableCompression: true}), nil
}

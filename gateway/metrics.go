package gateway

import (
	"errors"
	"iter"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/ecolaura/rampart/monitor/prom"
)

// metrics returns the layer that measures requests, and what Prometheus asks for: that,
// what the plugins count under Kong's names, and the sources.
func metrics(plugins *plugin.Metrics, sources ...iter.Seq[rampart.Sample]) (layer func(http.Handler) http.Handler, counts http.Handler, err error) {
	layers, err := prom.New(prom.Config{Sources: sources})
	if err != nil {
		return nil, nil, err
	}
	all := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		layers, plugins, collectors.NewBuildInfoCollector(), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		err = errors.Join(err, all.Register(c))
	}
	return layers.Handler, promhttp.HandlerFor(all, promhttp.HandlerOpts{}), err
}

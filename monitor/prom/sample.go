package prom

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecolaura/rampart"
)

// metric returns s as client_golang has it. A sample that it does not take fails the
// scrape with an error that names it.
func metric(s rampart.Sample) prometheus.Metric {
	kind := prometheus.GaugeValue
	if strings.HasSuffix(s.Name, "_total") {
		kind = prometheus.CounterValue
	}
	desc := prometheus.NewDesc(s.Name, s.Help, nil, s.Labels)
	m, err := prometheus.NewConstMetric(desc, kind, s.Value)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

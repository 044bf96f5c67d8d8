package otel

import (
	"context"
	"database/sql"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ecolaura/rampart"
)

// NewProducer returns what a reader of the metrics SDK asks for the samples of sources,
// by [sdkmetric.WithProducer]. Their names become those of OpenTelemetry:
// rampart_feed_age_seconds is rampart.feed.age in s, and a label such as reason is
// rampart.reason. A nil source has none.
func NewProducer(sources ...iter.Seq[rampart.Sample]) sdkmetric.Producer {
	return &producer{slices.Clone(sources), time.Now()}
}

type producer struct {
	sources []iter.Seq[rampart.Sample]
	began   time.Time
}

// Produce implements [sdkmetric.Producer].
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	now := time.Now()
	points, help := map[string][]metricdata.DataPoint[float64]{}, map[string]string{}
	for _, source := range p.sources {
		if source == nil {
			continue
		}
		for s := range source {
			help[s.Name] = s.Help
			points[s.Name] = append(points[s.Name], metricdata.DataPoint[float64]{Attributes: attributes(s.Labels), StartTime: p.began, Time: now, Value: s.Value})
		}
	}
	var all []metricdata.Metrics
	for _, name := range slices.Sorted(maps.Keys(points)) {
		m := metricdata.Metrics{Description: help[name]}
		plain, counter := strings.CutSuffix(name, "_total")
		m.Name, m.Unit = unit(plain)
		if counter {
			m.Data = metricdata.Sum[float64]{DataPoints: points[name], Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
		} else {
			m.Data = metricdata.Gauge[float64]{DataPoints: points[name]}
		}
		all = append(all, m)
	}
	return []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: scope}, Metrics: all}}, nil
}

// unit takes a name of Prometheus, without "_total", apart.
func unit(name string) (dotted, unit string) {
	unit = "1"
	for suffix, u := range map[string]string{"_seconds": "s", "_bytes": "By", "_ratio": "1"} {
		if plain, ok := strings.CutSuffix(name, suffix); ok {
			name, unit = plain, u
		}
	}
	return strings.ReplaceAll(name, "_", "."), unit
}

func attributes(labels map[string]string) attribute.Set {
	var all []attribute.KeyValue
	for name, value := range labels {
		if strings.HasPrefix(name, "db_") { // of Pool
			name = strings.ReplaceAll(name, "_", ".")
		} else {
			name = "rampart." + name
		}
		all = append(all, attribute.String(name, value))
	}
	return attribute.NewSet(all...)
}

// Pool returns the samples of a pool of connections to a database, under the names of
// the semantic conventions (db.client.connection.count and its like).
func Pool(name string, db *sql.DB) iter.Seq[rampart.Sample] {
	return func(yield func(rampart.Sample) bool) {
		s := db.Stats()
		of := func(state string) map[string]string {
			labels := map[string]string{"db_client_connection_pool_name": name}
			if state != "" {
				labels["db_client_connection_state"] = state
			}
			return labels
		}
		for _, sample := range []rampart.Sample{
			{Name: "db_client_connection_count", Help: "Connections by state.", Labels: of("used"), Value: float64(s.InUse)},
			{Name: "db_client_connection_count", Help: "Connections by state.", Labels: of("idle"), Value: float64(s.Idle)},
			{Name: "db_client_connection_max", Help: "Connections that may be open.", Labels: of(""), Value: float64(s.MaxOpenConnections)},
			{Name: "db_client_connection_waits_total", Help: "Requests that had to wait for a connection.", Labels: of(""), Value: float64(s.WaitCount)},
			{Name: "db_client_connection_waited_seconds_total", Help: "Time that requests have waited for a connection.", Labels: of(""), Value: s.WaitDuration.Seconds()},
		} {
			if !yield(sample) {
				return
			}
		}
	}
}

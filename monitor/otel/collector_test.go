package otel_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector receives OTLP over HTTP, and keeps what it has decoded.
type collector struct {
	mu      sync.Mutex
	metrics *metricspb.ExportMetricsServiceRequest // the last
	spans   []*spanpb.Span
	bad     error

	tracing   *sdktrace.TracerProvider
	measuring *sdkmetric.MeterProvider
}

// newCollector starts one, and SDK providers that export to it.
func newCollector(t *testing.T, producers ...sdkmetric.Producer) *collector {
	t.Helper()
	c := &collector{}
	web := httptest.NewServer(http.HandlerFunc(c.receive))
	t.Cleanup(web.Close)
	spans, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(web.URL+"/v1/traces"))
	require.NoError(t, err)
	numbers, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL(web.URL+"/v1/metrics"))
	require.NoError(t, err)
	c.tracing = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	var options []sdkmetric.PeriodicReaderOption
	for _, p := range producers {
		options = append(options, sdkmetric.WithProducer(p))
	}
	c.measuring = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(numbers, options...)))
	t.Cleanup(func() { assert.NoError(t, c.bad) })
	return c
}

func (c *collector) receive(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/metrics":
		c.metrics = new(metricspb.ExportMetricsServiceRequest)
		err = proto.Unmarshal(body, c.metrics)
	case "/v1/traces":
		got := new(tracepb.ExportTraceServiceRequest)
		err = proto.Unmarshal(body, got)
		for _, rs := range got.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				c.spans = append(c.spans, ss.GetSpans()...)
			}
		}
	}
	if err != nil {
		c.bad = err
	}
}

// flush sends what is pending and returns the spans, in the order of their ends, and the
// numbers by name and attributes: of a histogram, how many were recorded.
func (c *collector) flush(t *testing.T) ([]*spanpb.Span, map[string]float64) {
	t.Helper()
	require.NoError(t, c.tracing.ForceFlush(t.Context()))
	require.NoError(t, c.measuring.ForceFlush(t.Context()))
	c.mu.Lock()
	defer c.mu.Unlock()
	numbers := map[string]float64{}
	for _, rm := range c.metrics.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				name := m.GetName() + " " + m.GetUnit()
				points := append(m.GetSum().GetDataPoints(), m.GetGauge().GetDataPoints()...)
				for _, p := range points {
					numbers[name+" "+text(p.GetAttributes())] = p.GetAsDouble() + float64(p.GetAsInt())
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					numbers[name+" "+text(p.GetAttributes())] = float64(p.GetCount())
				}
			}
		}
	}
	return c.spans, numbers
}

// text returns attributes in their order: a=b c=d.
func text(attrs []*commonpb.KeyValue) string {
	var s strings.Builder
	for _, a := range attrs {
		v := a.GetValue().GetStringValue()
		if n, ok := a.GetValue().GetValue().(*commonpb.AnyValue_IntValue); ok {
			v = http.StatusText(int(n.IntValue))
			if v == "" {
				v = "number"
			}
		}
		s.WriteString(a.GetKey() + "=" + v + "; ")
	}
	return s.String()
}

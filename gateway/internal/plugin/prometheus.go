package plugin

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// Prometheus counts requests by service and route.
type Prometheus struct {
	PerConsumer       bool `k:"per_consumer"`
	StatusCodeMetrics bool `k:"status_code_metrics"`
	LatencyMetrics    bool `k:"latency_metrics"`
	BandwidthMetrics  bool `k:"bandwidth_metrics"`
	UpstreamHealth    bool `k:"upstream_health_metrics"`
}

// newPrometheus returns the defaults: all metrics, where Kong's are none.
func newPrometheus() any {
	return config(&Prometheus{StatusCodeMetrics: true, LatencyMetrics: true, BandwidthMetrics: true, UpstreamHealth: true})
}

// Inert names what Kong has and this gateway has not.
func (*Prometheus) Inert() map[string]string {
	return map[string]string{"ai_metrics": "false", "wasm_metrics": "false"}
}

// layer has requests under it counted.
func (p *Prometheus) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	c := &counter{m: e.Metrics, cfg: p}
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			one := call.From(r.Context())
			one.Counts = append(one.Counts, c)
			next.ServeHTTP(w, r)
		})
	}}, nil
}

// Metrics counts requests under the names that Kong's dashboards know. What tells the
// series apart is configured, so there is a bound.
type Metrics struct {
	requests, bytes, logs *prometheus.CounterVec
	total, upstream       *prometheus.HistogramVec
}

// NewMetrics returns empty Metrics.
func NewMetrics() *Metrics {
	labels := []string{"service", "route", "code", "consumer"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	latency := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000},
		}, labels)
	}
	return &Metrics{
		requests: counter("kong_http_requests_total", "Requests by service, route and status.", labels...),
		bytes:    counter("kong_bandwidth_bytes", "Bytes of bodies that were sent to clients.", append([]string{"direction"}, labels...)...),
		logs:     counter("rampart_gateway_log_entries_total", "Entries of log plugins by what became of them.", "plugin", "outcome"),
		total:    latency("kong_request_latency_ms", "Time from the first byte to the last."),
		upstream: latency("kong_upstream_latency_ms", "Time until the upstream's header was there."),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.bytes, m.logs, m.total, m.upstream}
}

type counter struct {
	m   *Metrics
	cfg *Prometheus
}

// Count implements call.Counter.
func (k *counter) Count(c *call.Call, status int, sent int64, took time.Duration) {
	service, route, consumer := "", "", ""
	if c.Service != nil {
		service = cmp.Or(c.Service.Name, c.Service.ID)
	}
	if c.Route != nil {
		route = cmp.Or(c.Route.Name, c.Route.ID)
	}
	if k.cfg.PerConsumer && c.Consumer != nil {
		consumer = strings.ToValidUTF8(cmp.Or(c.Consumer.Username, c.Consumer.CustomID), "")
	}
	code := strconv.Itoa(status)
	if k.cfg.StatusCodeMetrics {
		k.m.requests.WithLabelValues(service, route, code, consumer).Inc()
	}
	if k.cfg.BandwidthMetrics {
		k.m.bytes.WithLabelValues("egress", service, route, code, consumer).Add(float64(sent))
	}
	if k.cfg.LatencyMetrics {
		k.m.total.WithLabelValues(service, route, code, consumer).Observe(milliseconds(took))
		if c.Upstream > 0 {
			k.m.upstream.WithLabelValues(service, route, code, consumer).Observe(milliseconds(c.Upstream))
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// TellsHealth reports whether a plugin of f wants the health of targets among the
// metrics.
func TellsHealth(f *conf.File) bool {
	return slices.ContainsFunc(f.Plugins, func(p *conf.Plugin) bool {
		cfg, ok := p.Config.(*Prometheus)
		return ok && p.Enabled && cfg.UpstreamHealth
	})
}

// HealthSamples yields which of Kong's states an upstream's targets are in.
func HealthSamples(upstream string, targets map[string]string, yield func(rampart.Sample) bool) bool {
	for target, is := range targets {
		for _, state := range []string{"healthchecks_off", "healthy", "unhealthy"} {
			in := 0.0
			if is == state {
				in = 1
			}
			if !yield(rampart.Sample{
				Name: "kong_upstream_target_health", Help: "1 for the state that a target is in.", Value: in,
				Labels: map[string]string{"upstream": upstream, "target": target, "address": target, "state": state, "subsystem": "http"},
			}) {
				return false
			}
		}
	}
	return true
}

package plugin

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

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

// Metrics counts requests under the names that Kong's dashboards know.
type Metrics struct {
	mu   sync.Mutex
	rows map[row]*numbers
	logs logCounts
}

// row is what a line of metrics is about. Consumers are configured, so there is
// a bound.
type row struct {
	service, route, consumer string
	code                     int
}

type numbers struct {
	requests, bytes         int64
	total, upstream         histogram
	counted, weighed, timed bool // which of them a plugin asks for
}

// bounds of latencies in milliseconds.
func bounds() []float64 {
	return []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000}
}

type histogram struct {
	counts [15]int64
	count  int64
	sum    float64
}

func (h *histogram) add(d time.Duration) {
	ms := float64(d) / float64(time.Millisecond)
	h.count++
	h.sum += ms
	if i, _ := slices.BinarySearch(bounds(), ms); i < len(h.counts) {
		h.counts[i]++
	}
}

// NewMetrics returns empty Metrics.
func NewMetrics() *Metrics { return &Metrics{rows: map[row]*numbers{}} }

type counter struct {
	m   *Metrics
	cfg *Prometheus
}

// Count implements call.Counter.
func (k *counter) Count(c *call.Call, status int, sent int64, took time.Duration) {
	at := row{code: status}
	if c.Service != nil {
		at.service = cmp.Or(c.Service.Name, c.Service.ID)
	}
	if c.Route != nil {
		at.route = cmp.Or(c.Route.Name, c.Route.ID)
	}
	if k.cfg.PerConsumer && c.Consumer != nil {
		at.consumer = cmp.Or(c.Consumer.Username, c.Consumer.CustomID)
	}
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	n := k.m.rows[at]
	if n == nil {
		n = &numbers{}
		k.m.rows[at] = n
	}
	if k.cfg.StatusCodeMetrics {
		n.counted = true
		n.requests++
	}
	if k.cfg.BandwidthMetrics {
		n.weighed = true
		n.bytes += sent
	}
	if k.cfg.LatencyMetrics {
		n.timed = true
		n.total.add(took)
		if c.Upstream > 0 {
			n.upstream.add(c.Upstream)
		}
	}
}

// Write writes all in Prometheus' text format.
func (m *Metrics) Write(w io.Writer) {
	m.logs.write(w)
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := slices.SortedFunc(maps.Keys(m.rows), func(a, b row) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.route, b.route), cmp.Compare(a.code, b.code), cmp.Compare(a.consumer, b.consumer))
	})
	fmt.Fprintln(w, "# HELP kong_http_requests_total Requests by service, route and status.\n# TYPE kong_http_requests_total counter")
	for _, r := range rows {
		if m.rows[r].counted {
			fmt.Fprintf(w, "kong_http_requests_total{%s} %d\n", r.labels(), m.rows[r].requests)
		}
	}
	fmt.Fprintln(w, "# HELP kong_bandwidth_bytes Bytes of bodies that were sent to clients.\n# TYPE kong_bandwidth_bytes counter")
	for _, r := range rows {
		if m.rows[r].weighed {
			fmt.Fprintf(w, "kong_bandwidth_bytes{direction=\"egress\",%s} %d\n", r.labels(), m.rows[r].bytes)
		}
	}
	for _, h := range []struct {
		name, help string
		of         func(*numbers) *histogram
	}{
		{"kong_request_latency_ms", "Time from the first byte to the last.", func(n *numbers) *histogram { return &n.total }},
		{"kong_upstream_latency_ms", "Time until the upstream's header was there.", func(n *numbers) *histogram { return &n.upstream }},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s histogram\n", h.name, h.help, h.name)
		for _, r := range rows {
			if m.rows[r].timed {
				h.of(m.rows[r]).write(w, h.name, r.labels())
			}
		}
	}
}

// TellsHealth reports whether a plugin of f wants the health of targets among the
// metrics.
func TellsHealth(f *conf.File) bool {
	return slices.ContainsFunc(f.Plugins, func(p *conf.Plugin) bool {
		cfg, ok := p.Config.(*Prometheus)
		return ok && p.Enabled && cfg.UpstreamHealth
	})
}

// WriteHealth writes which of Kong's states each upstream's targets are in.
func WriteHealth(w io.Writer, upstreams map[string]map[string]string) {
	const name = "kong_upstream_target_health"
	fmt.Fprintf(w, "# HELP %[1]s 1 for the state that a target is in.\n# TYPE %[1]s gauge\n", name)
	for _, u := range slices.Sorted(maps.Keys(upstreams)) {
		for _, target := range slices.Sorted(maps.Keys(upstreams[u])) {
			for _, state := range []string{"healthchecks_off", "healthy", "unhealthy"} {
				in := 0
				if upstreams[u][target] == state {
					in = 1
				}
				fmt.Fprintf(w, "%s{upstream=%q,target=%q,address=%[3]q,state=%q,subsystem=\"http\"} %d\n", name, u, target, state, in)
			}
		}
	}
}

func (h *histogram) write(w io.Writer, name, labels string) {
	below := int64(0)
	for i, b := range bounds() {
		below += h.counts[i]
		fmt.Fprintf(w, "%s_bucket{%s,le=\"%g\"} %d\n", name, labels, b, below)
	}
	fmt.Fprintf(w, "%s_bucket{%s,le=\"+Inf\"} %d\n%s_sum{%s} %g\n%s_count{%s} %d\n", name, labels, h.count, name, labels, h.sum, name, labels, h.count)
}

func (r row) labels() string {
	s := fmt.Sprintf("service=%q,route=%q,code=\"%d\"", r.service, r.route, r.code)
	if r.consumer != "" {
		s += fmt.Sprintf(",consumer=%q", strings.ToValidUTF8(r.consumer, ""))
	}
	return s
}

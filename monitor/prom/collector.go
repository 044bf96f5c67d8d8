package prom

import (
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/memo"
	"github.com/ecolaura/rampart/monitor"
)

// Config configures a [Collector]. The zero value measures requests only.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Sources are asked at each scrape: the methods Samples of a monitor.Monitor, of
	// each feed.Feed and throttle.Limiter, of the stores in Redis, or functions of
	// yours. Each sample has a name and labels of its own.
	Sources []iter.Seq[rampart.Sample]

	// Buckets are the upper bounds of the durations of requests, in seconds, the
	// smallest first; nil: [prometheus.DefBuckets], 5 ms to 10 s.
	Buckets []float64
}

// A Collector is a [prometheus.Collector] of what the layers tell, and the layer that
// measures requests. It is safe for concurrent use, and what clients send adds no
// series without bound. Create one with [New]; the zero value measures nothing.
type Collector struct {
	sources   []iter.Seq[rampart.Sample]
	durations *prometheus.HistogramVec
	inFlight  atomic.Int64
	known     memo.Map[series, prometheus.Observer]
}

// series tells the histograms apart.
type series struct {
	route, method string
	class         int // of the status: 2 is 2xx
}

// New returns a Collector for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func New(cfg Config) (*Collector, error) {
	bad := conferr.For("prom.Config")
	for i, source := range cfg.Sources {
		bad.If(source == nil, "Sources["+strconv.Itoa(i)+"]", rampart.ReasonMissing, nil, "give a method Samples, such as that of a monitor.Monitor")
	}
	for last, rest := math.Inf(-1), cfg.Buckets; len(rest) > 0; last, rest = rest[0], rest[1:] {
		if !(rest[0] > last) { // one that is no number neither
			bad.Add("Buckets", rampart.ReasonInvalid, rest[0], "write the bounds in seconds, each greater than the one before")
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	buckets := slices.Clone(cfg.Buckets)
	if buckets == nil {
		buckets = slices.Clone(prometheus.DefBuckets)
	}
	c := &Collector{
		sources: slices.Clone(cfg.Sources),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rampart_http_request_duration_seconds", Help: "Time until a handler had returned, by route, method and class of status.", Buckets: buckets,
		}, []string{"route", "method", "status"}),
	}
	return c, nil
}

// Handler is the layer that measures requests: put it outside all layers whose
// refusals count. [monitor.Requests] tells what a request is measured by.
func (c *Collector) Handler(next http.Handler) http.Handler {
	if c.durations == nil {
		return next
	}
	measured := monitor.Requests(c.served)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.inFlight.Add(1)
		measured.ServeHTTP(w, r)
	})
}

func (c *Collector) served(_ *http.Request, q monitor.Request) {
	c.inFlight.Add(-1)
	s := series{q.Route, q.Method, q.Status / 100}
	o, ok := c.known.Get(s)
	if !ok { // monitor.Requests and net/http bound how often
		o, _ = c.known.Add(s, c.durations.WithLabelValues(s.route, s.method, strconv.Itoa(s.class)+"xx"), math.MaxInt)
	}
	o.Observe(q.Took.Seconds())
}

// Describe implements [prometheus.Collector]. Which samples there will be is not known,
// so it describes none.
func (*Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	if c.durations == nil {
		return
	}
	c.durations.Collect(ch)
	ch <- metric(rampart.Sample{Name: "rampart_http_requests_in_flight", Help: "Requests that are being served.", Value: float64(c.inFlight.Load())})
	for _, source := range c.sources {
		for s := range source {
			ch <- metric(s)
		}
	}
}

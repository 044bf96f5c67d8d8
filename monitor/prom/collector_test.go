package prom_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/monitor/prom"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

type sources = []iter.Seq[rampart.Sample]

func newCollector(tb testing.TB, cfg prom.Config) *prom.Collector {
	tb.Helper()
	c, err := prom.New(cfg)
	require.NoError(tb, err)
	return c
}

// scrape returns the samples as a Prometheus server reads them, by their names with
// labels: what it asks is the text that promhttp serves, and the parser is its own.
func scrape(tb testing.TB, c prometheus.Collector) map[string]float64 {
	tb.Helper()
	reg := prometheus.NewPedanticRegistry()
	require.NoError(tb, reg.Register(c))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(tb, http.StatusOK, w.Code, w.Body.String())
	dec := &expfmt.SampleDecoder{
		Dec:  expfmt.NewDecoder(bytes.NewReader(w.Body.Bytes()), expfmt.ResponseFormat(w.Header())),
		Opts: &expfmt.DecodeOptions{Timestamp: model.Now()},
	}
	all := map[string]float64{}
	for {
		var v model.Vector
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(tb, err)
		for _, s := range v {
			all[s.Metric.String()] = float64(s.Value)
		}
	}
}

// service is layers that tell something, around a mux.
func service(t *testing.T) (http.Handler, *prom.Collector) {
	t.Helper()
	m, err := monitor.New(monitor.Config{Handler: slog.DiscardHandler, Rules: []monitor.Rule{{Name: "flood", Threshold: 2, Window: time.Hour}}})
	require.NoError(t, err)
	log := slog.New(m)
	news, err := feed.New(t.Context(), feed.Config{Source: feed.Memory(), Logger: log})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, news.Close()) })
	limit, err := throttle.New(throttle.Config{Logger: log, Policies: []throttle.Policy{{
		Name: "anon", Rate: throttle.Rate{Count: 2, Period: time.Hour}, Key: throttle.By("host", func(r *http.Request) string { return r.Host }),
	}}})
	require.NoError(t, err)
	c := newCollector(t, prom.Config{Sources: sources{m.Samples, news.Samples, limit.Samples}, Buckets: []float64{1}})
	mux := server.NewMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	return rampart.Chain(c.Handler, limit.Handler)(mux), c
}

func ask(h http.Handler, method, host, path string) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Method, r.Host, r.URL.Path = method, host, path
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func TestEverySeriesIsReadByPrometheusOwnParser(t *testing.T) {
	h, c := service(t)
	for range 3 {
		ask(h, "GET", "a.example", "/orders/7")
	}
	ask(h, "GET", "b.example", "/nothing")
	got := scrape(t, c)
	for name := range got { // times
		if strings.Contains(name, "_sum{") || strings.HasPrefix(name, "rampart_feed_age_seconds") || strings.HasPrefix(name, "rampart_throttle_fill_ratio") {
			assert.Less(t, got[name], 1.0)
			got[name] = -1
		}
	}
	const duration = "rampart_http_request_duration_seconds"
	want := map[string]float64{
		`rampart_alert_keys_evicted_total{rule="flood"}`: 0,
		`rampart_alert_keys{rule="flood"}`:               1,
		`rampart_alert_panics_total`:                     0,
		`rampart_alerts_dropped_total{rule="flood"}`:     0,
		`rampart_alerts_failed_total{rule="flood"}`:      0,
		`rampart_alerts_firing{rule="flood"}`:            0,
		`rampart_alerts_total{rule="flood"}`:             0,
		`rampart_events_total{event="excess_rate_limit_exceeded", layer="throttle", policy="anon", reason="quota_exceeded"}`: 1,
		`rampart_feed_age_seconds`:                    -1,
		`rampart_feed_instances`:                      1,
		`rampart_feed_sequence`:                       0,
		`rampart_http_requests_in_flight`:             0,
		`rampart_throttle_fill_ratio{limiter="anon"}`: -1,
	}
	for labels, n := range map[string]float64{
		`method="GET", route="/orders/{id}", status="2xx"`: 2,
		`method="GET", route="unmatched", status="4xx"`:    2, // refused before the mux, and by the mux
	} {
		want[duration+"_count{"+labels+"}"] = n
		want[duration+"_sum{"+labels+"}"] = -1
		for _, bound := range []string{"1", "+Inf"} {
			want[duration+"_bucket{"+`le="`+bound+`", `+labels+"}"] = n
		}
	}
	assert.Equal(t, want, got)

	problems, err := testutil.GatherAndLint(registry(t, c))
	require.NoError(t, err)
	assert.Empty(t, problems, "names are as Prometheus' guide has them")
}

func registry(t *testing.T, c prometheus.Collector) prometheus.Gatherer {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(c))
	return reg
}

func TestNoClientMakesSeriesWithoutBound(t *testing.T) {
	h, c := service(t)
	for i := range 3000 {
		ask(h, fmt.Sprintf("M%d\n\"{}", i), fmt.Sprintf("h%d\xff.example", i), fmt.Sprintf("/orders/%d\xff\"\n", i))
		ask(h, []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}[i%9], "a\"\nb", fmt.Sprintf("/%d", i))
	}
	got := scrape(t, c)
	assert.LessOrEqual(t, len(got), 100)
	var all float64
	for name, n := range got {
		if strings.HasPrefix(name, "rampart_http_request_duration_seconds_count") {
			all += n
		}
	}
	assert.InDelta(t, 6000, all, 0, "each request counts once")

	pattern, status := "", 0
	h = c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = pattern
		w.WriteHeader(status)
	}))
	for i := range 3000 { // a program that makes patterns and statuses of what clients send
		pattern, status = fmt.Sprintf("/%d\xff\"\n", i), 200+i%800
		ask(h, "GET", "", "/")
	}
	assert.LessOrEqual(t, len(scrape(t, c)), 4*(512+1)*9+100)
}

func TestRequestsUnderWayAreCounted(t *testing.T) {
	c := newCollector(t, prom.Config{})
	var during float64
	h := c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		during = scrape(t, c)["rampart_http_requests_in_flight"]
		panic(http.ErrAbortHandler)
	}))
	assert.Panics(t, func() { ask(h, "GET", "", "/") })
	assert.InDelta(t, 1, during, 0)
	assert.Zero(t, scrape(t, c)["rampart_http_requests_in_flight"])
	assert.InDelta(t, 1, scrape(t, c)[`rampart_http_request_duration_seconds_count{method="GET", route="unmatched", status="5xx"}`], 0)
}

func TestManyGoroutinesAreCountedExactly(t *testing.T) {
	c := newCollector(t, prom.Config{})
	h := c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = r.URL.Path
		w.WriteHeader(http.StatusNoContent)
	}))
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 500 {
				ask(h, "GET", "", fmt.Sprintf("/%d", (g+i)%50))
				if i%100 == 0 {
					scrape(t, c)
				}
			}
		})
	}
	group.Wait()
	for name, n := range scrape(t, c) {
		if strings.Contains(name, "_count{") {
			assert.InDelta(t, 80, n, 0, name)
		}
	}
}

func TestASampleThatPrometheusDoesNotTakeFailsTheScrapeByName(t *testing.T) {
	for desc, tt := range map[string]struct {
		sample rampart.Sample
		want   string
	}{
		"a name with a space":       {rampart.Sample{Name: ""}, "is not a valid metric name"},
		"a label that is not UTF-8": {rampart.Sample{Name: "a", Labels: map[string]string{"b": "\xff"}}, "not valid UTF-8"},
	} {
		t.Run(desc, func(t *testing.T) {
			c := newCollector(t, prom.Config{Sources: sources{slices.Values([]rampart.Sample{tt.sample})}})
			_, err := registry(t, c).Gather()
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	for desc, buckets := range map[string][]float64{"falling": {1, 0.5}, "twice": {1, 1}, "no number": {math.NaN(), 1}} {
		_, err := prom.New(prom.Config{Sources: sources{new(monitor.Monitor).Samples, nil}, Buckets: buckets})
		assert.Contains(t, conferrtest.Text(err), "Sources[1]: missing\nBuckets: invalid", desc)
	}
	buckets := []float64{1, 2}
	c := newCollector(t, prom.Config{Buckets: buckets})
	buckets[0] = 1.5
	ask(c.Handler(http.NotFoundHandler()), "GET", "", "/")
	assert.Contains(t, scrape(t, c), `rampart_http_request_duration_seconds_bucket{le="1", method="GET", route="unmatched", status="4xx"}`)
}

func TestAZeroCollectorMeasuresNothing(t *testing.T) {
	c := new(prom.Collector)
	ask(c.Handler(http.NotFoundHandler()), "GET", "", "/")
	assert.Empty(t, scrape(t, c))
}

func TestMeasuringARequestAllocatesOnce(t *testing.T) {
	c := newCollector(t, prom.Config{})
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	measured, bare := server.Recover(nil)(c.Handler(next)), server.Recover(nil)(next)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	with := testing.AllocsPerRun(1000, func() { measured.ServeHTTP(w, r) })
	assert.LessOrEqual(t, with-testing.AllocsPerRun(1000, func() { bare.ServeHTTP(w, r) }), 1.0)
}

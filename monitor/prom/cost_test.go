package prom_test

import (
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/monitor/prom"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/ipfilter"
)

type layer = func(http.Handler) http.Handler

// publicChain returns the layers that a public endpoint of examples/api has, with
// measured outside of them.
func publicChain(tb testing.TB, measured layer) http.Handler {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	news, err := feed.New(tb.Context(), feed.Config{Source: feed.Memory(), Logger: log})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, news.Close()) })
	ids, err := server.NewRequestID(server.RequestIDConfig{})
	require.NoError(tb, err)
	clients, err := server.NewClientIP(rampart.Proxies{})
	require.NoError(tb, err)
	hosts := headers.API("api.ecolaura.com")
	hosts.Logger = log
	browser, err := headers.New(hosts)
	require.NoError(tb, err)
	share, err := cors.New(cors.Config{Origins: []string{"https://www.ecolaura.com"}, Logger: log})
	require.NoError(tb, err)
	blocks, err := ipfilter.New(ipfilter.Config{ClientIP: clients.Addr, Feed: news, Outage: rampart.FailOpen, Logger: log})
	require.NoError(tb, err)
	limit := func(name string, algorithm throttle.Algorithm) layer {
		l, err := throttle.New(throttle.Config{Logger: log, Policies: []throttle.Policy{{
			Name: name, Rate: throttle.Rate{Count: 1 << 30, Period: time.Hour}, Algorithm: algorithm, Key: throttle.ByIP(clients.Addr),
		}}})
		require.NoError(tb, err)
		return l.Handler
	}
	tokens := auth.Simplejwt([]byte("a secret of thirty-two bytes, or more"))
	tokens.Logger = log
	verifier, err := auth.NewVerifier(tokens)
	require.NoError(tb, err)
	guard, err := sanitize.NewGuard(sanitize.GuardConfig{Logger: log})
	require.NoError(tb, err)
	mux := server.NewMux()
	mux.Handle("GET /api/public/{$}", rampart.Stack{
		Credential: verifier.Optional, Limit: limit("anon", throttle.SlidingWindow), Guard: guard.Handler,
	}.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	return rampart.Chain(server.Recover(log), measured, rampart.Stack{
		RequestID: ids.Handler, ClientIP: clients.Handler, Headers: browser.Handler, CORS: share.Handler,
		Block: blocks.Handler, Edge: limit("edge", throttle.TokenBucket),
	}.Handler)(mux)
}

// discard is a response that costs nothing.
type discard http.Header

func (d discard) Header() http.Header       { return http.Header(d) }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// serve serves n requests and returns the processor time of one.
func serve(h http.Handler, n int) time.Duration {
	r := httptest.NewRequest(http.MethodGet, "https://api.ecolaura.com/api/public/", nil)
	r.RemoteAddr = "192.0.2.7:4711"
	return cputime.Spent(func() {
		for range n {
			one := *r
			h.ServeHTTP(discard{}, &one)
		}
	}) / time.Duration(n)
}

func TestMeasuringThePublicChainAllocatesOnce(t *testing.T) {
	measured, bare := publicChain(t, newCollector(t, prom.Config{}).Handler), publicChain(t, nil)
	least := func(h http.Handler) float64 { // a collection in between empties pools
		n := math.Inf(1)
		for range 5 {
			n = min(n, testing.AllocsPerRun(200, func() { serve(h, 10) }))
		}
		return n
	}
	assert.LessOrEqual(t, (least(measured)-least(bare))/10, 1.0)
}

// The two chains take turns, so that what else the machine does falls on both.
func TestMeasuringThePublicChainCostsLittle(t *testing.T) {
	if os.Getenv("RAMPART_BARS") == "" {
		t.Skip("SKIPPED: it measures; set RAMPART_BARS=1")
	}
	measured, bare := publicChain(t, newCollector(t, prom.Config{}).Handler), publicChain(t, nil)
	var with, without, ratios []float64
	for range 150 {
		a, b := serve(measured, 2000), serve(bare, 2000)
		with, without = append(with, float64(a)), append(without, float64(b))
		ratios = append(ratios, float64(a)/float64(b))
	}
	slices.Sort(with)
	slices.Sort(without)
	slices.Sort(ratios)
	mid := len(with) / 2
	t.Logf("with %.0f ns at least, median %.0f; without %.0f, median %.0f; ratio of minima %.3f, of medians %.3f, median of ratios %.3f",
		with[0], with[mid], without[0], without[mid], with[0]/without[0], with[mid]/without[mid], ratios[mid])
	assert.LessOrEqual(t, min(with[0]/without[0], ratios[mid]), 1.05)
}

func BenchmarkPublicChain(b *testing.B) {
	for name, layer := range map[string]layer{"bare": nil, "measured": newCollector(b, prom.Config{}).Handler} {
		b.Run(name, func(b *testing.B) {
			h := publicChain(b, layer)
			b.ReportAllocs()
			b.ResetTimer()
			serve(h, b.N)
		})
	}
}

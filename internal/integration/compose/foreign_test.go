package compose_test

import (
	"io"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/NYTimes/gziphandler"
	"github.com/getsentry/sentry-go"
	sentryhttp "github.com/getsentry/sentry-go/http"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/handlers"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	"github.com/urfave/negroni/v3"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

type layer = func(http.Handler) http.Handler

// foreign are the middlewares of others, as their documents set them up.
func foreign(t *testing.T) []named[layer] {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	client, err := sentry.NewClient(sentry.ClientOptions{}) // without a DSN it sends nothing
	require.NoError(t, err)
	hub := sentry.NewHub(client, sentry.NewScope())
	return []named[layer]{
		{"nothing", func(next http.Handler) http.Handler { return next }},
		{"gorilla CompressHandler", handlers.CompressHandler},
		{"gzhttp", func(next http.Handler) http.Handler { return gzhttp.GzipHandler(next) }},
		{"gziphandler", gziphandler.GzipHandler},
		{"chi Compress", middleware.Compress(5)},
		{"otelhttp", otelhttp.NewMiddleware("server")},
		{"promhttp", measured},
		{"sentryhttp", func(next http.Handler) http.Handler {
			traced := sentryhttp.New(sentryhttp.Options{Repanic: true}).Handle(next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				traced.ServeHTTP(w, r.WithContext(sentry.SetHubOnContext(r.Context(), hub.Clone())))
			})
		}},
		{"chi Logger", middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: quiet, NoColor: true})},
		{"chi Recoverer", func(next http.Handler) http.Handler {
			return middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: quiet})(middleware.Recoverer(next))
		}},
		{"chi Timeout", middleware.Timeout(time.Minute)},
		{"chi RealIP", middleware.RealIP}, //nolint:staticcheck // many still use it
		{"gorilla LoggingHandler", func(next http.Handler) http.Handler { return handlers.CombinedLoggingHandler(io.Discard, next) }},
		{"gorilla ProxyHeaders", handlers.ProxyHeaders},
		{"http.TimeoutHandler", func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "late") }},
		{"http.MaxBytesHandler", func(next http.Handler) http.Handler { return http.MaxBytesHandler(next, 32<<20) }},
		{"negroni", func(next http.Handler) http.Handler {
			logger, recovery := negroni.NewLogger(), negroni.NewRecovery()
			logger.ALogger, recovery.Logger, recovery.PrintStack = quiet, quiet, false
			n := negroni.New(recovery, logger)
			n.UseHandler(next)
			return n
		}},
	}
}

// measured is every instrument of promhttp around one handler.
func measured(next http.Handler) http.Handler {
	names := []string{"code", "method"}
	var (
		gauge = prometheus.NewGauge(prometheus.GaugeOpts{Name: "in_flight"})
		count = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests"}, names)
		took  = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took"}, names)
		first = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "first"}, names)
		in    = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "in"}, names)
		out   = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "out"}, names)
	)
	next = promhttp.InstrumentHandlerResponseSize(out, next)
	next = promhttp.InstrumentHandlerRequestSize(in, next)
	next = promhttp.InstrumentHandlerTimeToWriteHeader(first, next)
	next = promhttp.InstrumentHandlerDuration(took, next)
	next = promhttp.InstrumentHandlerCounter(count, next)
	return promhttp.InstrumentHandlerInFlight(gauge, next)
}

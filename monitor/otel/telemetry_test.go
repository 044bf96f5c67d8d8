package otel_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"
	nothing "go.opentelemetry.io/otel/trace/noop"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/monitor/otel"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceParent = "00-" + traceID + "-b7ad6b7169203331-01"
)

type layer = func(http.Handler) http.Handler

// service is a mux inside layers that are traced, and its log.
func service(t *testing.T, c *collector, sources *[]iter.Seq[rampart.Sample]) (http.Handler, *bytes.Buffer) {
	t.Helper()
	var lines bytes.Buffer
	m, err := monitor.New(monitor.Config{Handler: otel.NewEvents(slog.NewJSONHandler(&lines, nil))})
	require.NoError(t, err)
	log := slog.New(m)
	proxies := rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	ids, err := server.NewRequestID(server.RequestIDConfig{Proxies: proxies})
	require.NoError(t, err)
	limit, err := throttle.New(throttle.Config{Logger: log, Policies: []throttle.Policy{{
		Name: "anon", Rate: throttle.Rate{Count: 2, Period: time.Hour}, Key: throttle.By("host", func(r *http.Request) string { return r.Host }),
	}}})
	require.NoError(t, err)
	cfg := headers.API("*.shop.test")
	cfg.Logger, cfg.Proxies = log, proxies
	browser, err := headers.New(cfg)
	require.NoError(t, err)
	tel, err := otel.New(otel.Config{TracerProvider: c.tracing, MeterProvider: c.measuring, Proxies: proxies})
	require.NoError(t, err)
	mux := server.NewMux()
	mux.HandleFunc("GET /orders/{id}", func(_ http.ResponseWriter, r *http.Request) {
		rampart.NewReporter(log, "shop").Record(r.Context(), rampart.AuthzFail, slog.String("reason", "scope"))
	})
	mux.HandleFunc("GET /broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("no") })
	*sources = append(*sources, m.Samples, limit.Samples)
	return rampart.Chain(server.Recover(log), ids.Handler, tel.Handler, tel.Layer("headers", browser.Handler), tel.Layer("throttle", limit.Handler))(mux), &lines
}

func ask(h http.Handler, url, peer string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.RemoteAddr = peer
	r.Header.Set("Traceparent", traceParent)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// attr returns an attribute of a span as text.
func attr(s *spanpb.Span, name string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == name {
			return strings.Trim(strings.TrimPrefix(strings.TrimPrefix(a.GetValue().String(), "string_value:"), "int_value:"), `"`)
		}
	}
	return ""
}

func names(spans []*spanpb.Span) (all []string) {
	for _, s := range spans {
		all = append(all, s.GetName()+" "+attr(s, "rampart.decision"))
	}
	return all
}

func TestEachRequestAndDecisionIsASpanThatACollectorReceives(t *testing.T) {
	c := newCollector(t)
	h, lines := service(t, c, new([]iter.Seq[rampart.Sample]))
	require.Equal(t, 200, ask(h, "https://a.shop.test/orders/7?token=s3cret", "10.0.0.1:1").Code)
	spans, _ := c.flush(t)
	require.Equal(t, []string{"rampart headers passed", "rampart throttle passed", "GET /orders/{id} "}, names(spans))
	request := spans[2]
	assert.Equal(t, spanpb.Span_SPAN_KIND_SERVER, request.GetKind())
	assert.Equal(t, traceID, hex.EncodeToString(request.GetTraceId()), "the proxy's trace")
	assert.Equal(t, "b7ad6b7169203331", hex.EncodeToString(request.GetParentSpanId()))
	for name, want := range map[string]string{
		"http.request.method": "GET", "http.route": "/orders/{id}", "http.response.status_code": "200", "url.scheme": "https",
		"url.path": "/orders/7", "server.address": "a.shop.test", "error.type": "",
	} {
		assert.Equal(t, want, attr(request, name), name)
	}
	assert.NotContains(t, request.String(), "s3cret")
	for _, s := range spans[:2] {
		assert.Equal(t, request.GetSpanId(), s.GetParentSpanId(), "decisions are beside each other")
	}
	require.Len(t, request.GetEvents(), 1)
	assert.Equal(t, "authz_fail", request.GetEvents()[0].GetName())
	assert.Equal(t, "rampart.reason=scope; rampart.request_id=", text(request.GetEvents()[0].GetAttributes())[:len("rampart.reason=scope; rampart.request_id=")])

	var record map[string]any
	require.NoError(t, json.Unmarshal(lines.Bytes(), &record))
	assert.Equal(t, []any{traceID, hex.EncodeToString(request.GetSpanId())}, []any{record["trace_id"], record["parent_id"]}, "the log leads to the span")
	assert.NotEmpty(t, record["request_id"])
}

func TestARefusalIsASpanWithItsReason(t *testing.T) {
	c := newCollector(t)
	h, _ := service(t, c, new([]iter.Seq[rampart.Sample]))
	for range 3 {
		ask(h, "https://a.shop.test/orders/7", "192.0.2.7:1")
	}
	ask(h, "https://evil.test/", "192.0.2.7:1")
	ask(h, "http://b.shop.test/orders/7", "192.0.2.7:1")
	spans, _ := c.flush(t)
	got := names(spans)[6:]
	assert.Equal(t, []string{
		"rampart headers passed", "rampart throttle refused", "GET ",
		"rampart headers refused", "GET ",
		"rampart headers answered", "GET ",
	}, got)
	limited, host := spans[7], spans[9]
	assert.Equal(t, "429", attr(limited, "http.response.status_code"))
	require.Len(t, limited.GetEvents(), 1)
	assert.Equal(t, "excess_rate_limit_exceeded", limited.GetEvents()[0].GetName())
	assert.Contains(t, text(limited.GetEvents()[0].GetAttributes()), "rampart.reason=quota_exceeded; rampart.policy=anon; ")
	assert.Equal(t, "429", attr(spans[8], "http.response.status_code"))
	assert.Equal(t, spanpb.Status_STATUS_CODE_UNSET, spans[8].GetStatus().GetCode(), "a client's fault")
	assert.Equal(t, "headers", attr(host, "rampart.layer"))
	assert.Equal(t, "malicious_host", host.GetEvents()[0].GetName())
	assert.NotEqual(t, traceID, hex.EncodeToString(spans[8].GetTraceId()), "a stranger picks no trace")
	assert.Empty(t, spans[8].GetParentSpanId())
}

func TestFaultsOfTheServersAreErrors(t *testing.T) {
	c := newCollector(t)
	h, _ := service(t, c, new([]iter.Seq[rampart.Sample]))
	secure := func(r *http.Request) { r.TLS = &tls.ConnectionState{} }
	require.Equal(t, 502, ask(h, "https://a.shop.test/broken", "192.0.2.7:1", secure).Code)
	require.Equal(t, 500, ask(h, "https://a.shop.test/panic", "192.0.2.7:1", secure).Code)
	spans, _ := c.flush(t)
	for i, status := range map[int]string{2: "502", 5: "500"} {
		assert.Equal(t, spanpb.Status_STATUS_CODE_ERROR, spans[i].GetStatus().GetCode())
		assert.Equal(t, status, attr(spans[i], "error.type"))
		assert.Equal(t, "https", attr(spans[i], "url.scheme"))
	}
	assert.Equal(t, "GET /panic", spans[5].GetName())

	tel, err := otel.New(otel.Config{TracerProvider: c.tracing})
	require.NoError(t, err)
	broken := tel.Layer("broken", func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no") })
	})
	assert.Panics(t, func() { ask(tel.Handler(broken(nil)), "/", "192.0.2.7:1") })
	spans, _ = c.flush(t)
	assert.Equal(t, "rampart broken refused", names(spans)[6])
	assert.Equal(t, spanpb.Status_STATUS_CODE_ERROR, spans[6].GetStatus().GetCode())
}

func TestALayerThatReplacesTheContextOrServesTwiceIsPassedOnce(t *testing.T) {
	c := newCollector(t)
	tel, err := otel.New(otel.Config{TracerProvider: c.tracing, Propagator: propagation.Baggage{}})
	require.NoError(t, err)
	served := 0
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })
	for name, l := range map[string]layer{
		"twice": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r); next.ServeHTTP(w, r) })
		},
		"lost": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r.WithContext(context.Background())) })
		},
	} {
		ask(tel.Handler(tel.Layer(name, l)(next)), "/", "192.0.2.7:1")
	}
	assert.Equal(t, 3, served)
	spans, _ := c.flush(t)
	got := names(spans)
	slices.Sort(got)
	assert.Equal(t, []string{"GET ", "GET ", "rampart lost answered", "rampart twice passed"}, got)
	assert.Nil(t, tel.Layer("none", nil))
}

func TestEverySeriesIsReceivedAndHostileNamesMakeNoMore(t *testing.T) {
	var sources []iter.Seq[rampart.Sample]
	db := sql.OpenDB(noDriver{})
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	late := func(yield func(rampart.Sample) bool) {
		for _, source := range sources {
			source(yield)
		}
	}
	c := newCollector(t, otel.NewProducer(late, nil, otel.Pool("main", db)))
	h, _ := service(t, c, &sources)
	for range 3 {
		ask(h, "https://a.shop.test/orders/7", "192.0.2.7:1")
	}
	_, got := c.flush(t)
	for name, n := range got {
		if strings.HasPrefix(name, "rampart.throttle.fill") {
			assert.Positive(t, n)
			got[name] = -1
		}
	}
	assert.Equal(t, map[string]float64{
		"http.server.request.duration s http.request.method=GET; http.response.status_code=OK; http.route=/orders/{id}; url.scheme=https; ":       2,
		"http.server.request.duration s http.request.method=GET; http.response.status_code=Too Many Requests; url.scheme=https; ":                 1,
		"http.server.active_requests {request} http.request.method=GET; url.scheme=https; ":                                                       0,
		"rampart.events 1 rampart.event=authz_fail; rampart.layer=shop; rampart.reason=scope; ":                                                   2,
		"rampart.events 1 rampart.event=excess_rate_limit_exceeded; rampart.layer=throttle; rampart.policy=anon; rampart.reason=quota_exceeded; ": 1,
		"rampart.alert.panics 1 ":                        0,
		"rampart.throttle.fill 1 rampart.limiter=anon; ": -1,
		"db.client.connection.count 1 db.client.connection.pool.name=main; db.client.connection.state=used; ": 0,
		"db.client.connection.count 1 db.client.connection.pool.name=main; db.client.connection.state=idle; ": 0,
		"db.client.connection.max 1 db.client.connection.pool.name=main; ":                                    0,
		"db.client.connection.waits 1 db.client.connection.pool.name=main; ":                                  0,
		"db.client.connection.waited s db.client.connection.pool.name=main; ":                                 0,
	}, got)

	for i := range 2000 {
		ask(h, "https://a.shop.test/", "192.0.2.7:1", func(r *http.Request) {
			r.Method, r.Host, r.URL.Path = fmt.Sprintf("M%d\xff", i), fmt.Sprintf("h%d.example", i), fmt.Sprintf("/%d\xff", i)
		})
	}
	_, got = c.flush(t)
	assert.LessOrEqual(t, len(got), 25)
	spans, _ := c.flush(t)
	last := spans[len(spans)-1]
	assert.Equal(t, "_OTHER", last.GetName())
	assert.NotEmpty(t, attr(last, "http.request.method_original"))

	status := 0
	tel, err := otel.New(otel.Config{MeterProvider: c.measuring})
	require.NoError(t, err)
	made := tel.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	for status = 200; status < 1000; status++ {
		ask(made, "/", "192.0.2.7:1")
	}
	_, got = c.flush(t)
	assert.LessOrEqual(t, len(got), 25+70+9)
}

// noDriver connects to nothing.
type noDriver struct{}

func (noDriver) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("no") }
func (noDriver) Driver() driver.Driver                        { return nil }

func TestWithoutATracerARequestIsOnlyMeasured(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	tel, err := otel.New(otel.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	require.NoError(t, err)
	var seen *http.Request
	h := tel.Handler(tel.Layer("l", func(next http.Handler) http.Handler { return next })(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r })))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	server.Recover(nil)(h).ServeHTTP(httptest.NewRecorder(), r)
	_, ok := rampart.TraceParentFrom(seen.Context())
	assert.False(t, ok)

	zero := new(otel.Telemetry)
	h = zero.Handler(zero.Layer("l", func(next http.Handler) http.Handler { return next })(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })))
	assert.Equal(t, http.StatusTeapot, ask(h, "/", "192.0.2.7:1").Code)
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := otel.New(otel.Config{Proxies: rampart.Proxies{Hops: -1}})
	assert.Equal(t, "Hops: invalid: \"-1\"\nTracerProvider: missing", conferrtest.Text(err))
}

func TestEventsPassesRecordsOn(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(otel.NewEvents(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn}))).With("a", 1).WithGroup("g")
	log.WarnContext(t.Context(), "x", "b", 2)
	log.InfoContext(t.Context(), "hidden")
	assert.Contains(t, b.String(), "msg=x a=1 g.b=2\n")
	assert.NotContains(t, b.String(), "hidden")

	c := newCollector(t)
	ctx, span := c.tracing.Tracer("t").Start(t.Context(), "s")
	log.InfoContext(ctx, "authn_login_success", "event", "authn_login_success")
	log.WarnContext(ctx, "no event", "event", "authn_login_success")
	zero := slog.New(new(otel.Events)).With("a", 1).WithGroup("g")
	zero.ErrorContext(ctx, "authz_fail", "event", "authz_fail")
	assert.NoError(t, new(otel.Events).Handle(trace.ContextWithSpan(ctx, trace.SpanFromContext(t.Context())), slog.Record{}))
	span.End()
	spans, _ := c.flush(t)
	require.Len(t, spans[0].GetEvents(), 1, "below the log's level, too")
	assert.Equal(t, "authn_login_success", spans[0].GetEvents()[0].GetName())
	assert.NotContains(t, b.String(), "authn_login_success ")
}

func TestMeasuringARequestAllocatesOnce(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	tel, err := otel.New(otel.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	require.NoError(t, err)
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	measured, bare := server.Recover(nil)(tel.Handler(next)), server.Recover(nil)(next)
	with := testing.AllocsPerRun(1000, func() { measured.ServeHTTP(w, r) })
	assert.LessOrEqual(t, with-testing.AllocsPerRun(1000, func() { bare.ServeHTTP(w, r) }), 1.0)
}

func TestAProviderThatTracesNothingLeavesOthersSpansAlone(t *testing.T) {
	c := newCollector(t)
	tel, err := otel.New(otel.Config{TracerProvider: nothing.NewTracerProvider()})
	require.NoError(t, err)
	ctx, span := c.tracing.Tracer("t").Start(t.Context(), "outer")
	ask(tel.Handler(http.NotFoundHandler()), "/", "192.0.2.7:1", func(r *http.Request) { *r = *r.WithContext(ctx) })
	assert.True(t, span.IsRecording())
	tel, err = otel.New(otel.Config{MeterProvider: c.measuring})
	require.NoError(t, err)
	ask(tel.Handler(http.NotFoundHandler()), "/", "192.0.2.7:1", func(r *http.Request) { *r = *r.WithContext(ctx) })
	assert.True(t, span.IsRecording())
	span.End()
}

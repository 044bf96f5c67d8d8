package otel

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/logline"
	"github.com/ecolaura/rampart/internal/memo"
	"github.com/ecolaura/rampart/internal/request"
	"github.com/ecolaura/rampart/monitor"
)

// scope is what spans and metrics are filed under.
const scope = "github.com/ecolaura/rampart/monitor/otel"

// maxText is how many bytes of what a client chose an attribute of a span has.
const maxText = 256

// Config configures a [Telemetry]. It needs one of the two providers, at least.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// TracerProvider makes the spans, such as that of the SDK or of GetTracerProvider of
	// go.opentelemetry.io/otel; nil: there are none.
	TracerProvider trace.TracerProvider

	// MeterProvider measures requests; nil: nothing is measured.
	MeterProvider metric.MeterProvider

	// Propagator reads the trace that a request belongs to; nil: W3C trace context,
	// [propagation.TraceContext].
	Propagator propagation.TextMapPropagator

	// Proxies are those whose trace context is believed, and whose word that a client
	// came over https. Of others a request begins a trace of its own: strangers would
	// file their requests under traces of ours, and have all of them sampled.
	Proxies rampart.Proxies
}

// A Telemetry makes spans and measures requests. It is safe for concurrent use. Create
// one with [New]; the layers of the zero value do nothing.
type Telemetry struct {
	tracer     trace.Tracer // nil: no spans
	propagator propagation.TextMapPropagator
	proxies    rampart.Proxies
	trusted    rampart.Proxies // whose trace context is believed: Hops names none
	start      []trace.SpanStartOption
	durations  metric.Float64Histogram
	active     metric.Int64UpDownCounter

	// What is made once: the attributes of durations, and of requests under way.
	ended memo.Map[series, []metric.RecordOption]
	begun memo.Map[series, []metric.AddOption]
}

// series tells durations apart.
type series struct {
	route, method, scheme string
	status                int
}

// New returns a Telemetry for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func New(cfg Config) (*Telemetry, error) {
	bad := conferr.For("otel.Config")
	proxies, err := cfg.Proxies.Checked()
	bad.Join(err)
	bad.If(cfg.TracerProvider == nil && cfg.MeterProvider == nil, "TracerProvider", rampart.ReasonMissing, nil, "give a TracerProvider, a MeterProvider or both")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = noop.NewMeterProvider()
	}
	if cfg.Propagator == nil {
		cfg.Propagator = propagation.TraceContext{}
	}
	meter := cfg.MeterProvider.Meter(scope)
	durations, err1 := httpconv.NewServerRequestDuration(meter, metric.WithExplicitBucketBoundaries(
		.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)) // as the conventions ask
	active, err2 := httpconv.NewServerActiveRequests(meter)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	t := &Telemetry{
		propagator: cfg.Propagator, proxies: proxies, trusted: proxies,
		durations: durations.Inst(), active: active.Inst(), start: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)},
	}
	t.trusted.Hops = 0 // any peer would be one
	if cfg.TracerProvider != nil {
		t.tracer = cfg.TracerProvider.Tracer(scope)
	}
	return t, nil
}

// Handler is the layer of a request: a span, and what is measured. Put it right inside
// the request id (package server), so that the events of the layers inside have the
// span's ids as trace_id and parent_id.
func (t *Telemetry) Handler(next http.Handler) http.Handler {
	if t.active == nil {
		return next
	}
	measured := monitor.Requests(t.served)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, scheme, ctx := request.Method(r.Method), t.scheme(r), r.Context()
		t.underWay(ctx, method, scheme, 1)
		if t.tracer == nil {
			measured.ServeHTTP(w, r)
			return
		}
		if t.trusted.Trusts(r) {
			ctx = t.propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
		}
		ctx, span := t.tracer.Start(ctx, method, t.start...)
		if span.IsRecording() {
			span.SetAttributes(semconv.URLScheme(scheme), semconv.ServerAddress(logline.Escape(r.Host, maxText)),
				semconv.URLPath(logline.Escape(r.URL.EscapedPath(), maxText)))
			if method != r.Method {
				span.SetAttributes(semconv.HTTPRequestMethodOriginal(logline.Escape(r.Method, maxText)))
			}
		}
		if at := span.SpanContext(); at.IsValid() {
			ctx = correlated(ctx, at)
		}
		request.ServeCopy(measured, w, r, r.WithContext(ctx))
	})
}

// correlated returns a context in which events have the ids of a span.
func correlated(ctx context.Context, span trace.SpanContext) context.Context {
	c := request.Correlation{Trace: rampart.TraceParent{TraceID: span.TraceID().String(), ParentID: span.SpanID().String(), Sampled: span.IsSampled()}}
	if outer := request.CorrelationFrom(ctx); outer != nil {
		c.ID = outer.ID
	}
	return context.WithValue(ctx, request.CorrelationKey{}, &c)
}

func (t *Telemetry) scheme(r *http.Request) string {
	if r.TLS != nil || t.proxies.HTTPS(r) {
		return "https"
	}
	return "http"
}

// underWay counts n more requests under way.
func (t *Telemetry) underWay(ctx context.Context, method, scheme string, n int64) {
	s := series{method: method, scheme: scheme}
	with, ok := t.begun.Get(s)
	if !ok {
		with, _ = t.begun.Add(s, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(semconv.HTTPRequestMethodKey.String(method), semconv.URLScheme(scheme)))}, math.MaxInt)
	}
	t.active.Add(ctx, n, with...)
}

// served ends what Handler began.
func (t *Telemetry) served(r *http.Request, q monitor.Request) {
	ctx, scheme := r.Context(), t.scheme(r)
	t.underWay(ctx, q.Method, scheme, -1)
	if http.StatusText(q.Status) == "" && q.Status != 499 {
		q.Status = q.Status / 100 * 100 // of what a handler makes up, the class
	}
	s := series{q.Route, q.Method, scheme, q.Status}
	with, ok := t.ended.Get(s)
	if !ok { // bounded: all four are
		with, _ = t.ended.Add(s, []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(s.attributes()...))}, math.MaxInt)
	}
	t.durations.Record(ctx, q.Took.Seconds(), with...)

	if t.tracer == nil {
		return // a span of ctx is not ours
	}
	span := trace.SpanFromContext(ctx)
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if q.Route != "unmatched" {
		span.SetName(q.Method + " " + q.Route)
	}
	span.SetAttributes(s.attributes()...)
	if q.Status >= 500 {
		span.SetStatus(codes.Error, "")
	}
}

// attributes are those of the conventions for an HTTP server.
func (s series) attributes() []attribute.KeyValue {
	all := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(s.method), semconv.URLScheme(s.scheme), semconv.HTTPResponseStatusCode(s.status),
	}
	if s.route != "unmatched" {
		all = append(all, semconv.HTTPRoute(s.route))
	}
	if s.status >= 500 {
		all = append(all, semconv.ErrorTypeKey.String(strconv.Itoa(s.status)))
	}
	return all
}

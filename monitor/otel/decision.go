package otel

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecolaura/rampart/internal/request"
)

// Layer returns layer with a span of each decision, "rampart NAME", inside that of
// [Telemetry.Handler]. It ends when the request passes, or with the layer's response.
// Its attribute rampart.decision is passed, answered (a preflight, a redirect) or
// refused, and a refusal has http.response.status_code, too. What it is refused for is
// an event of the span, where a handler of [Events] stands in the log. Requests whose
// span is not recorded cost next to nothing.
func (t *Telemetry) Layer(name string, layer func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	if t.tracer == nil || layer == nil {
		return layer
	}
	return func(next http.Handler) http.Handler {
		return &decided{t: t, name: name, bare: layer(next), layer: layer(passing(next))}
	}
}

type decided struct {
	t           *Telemetry
	name        string
	bare, layer http.Handler
}

// decision is one that a layer is about to make.
type decision struct {
	span, around trace.Span
	passed       bool
}

type decisionKey struct{}

// ServeHTTP implements [http.Handler].
func (d *decided) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	around := trace.SpanFromContext(r.Context())
	if !around.IsRecording() {
		d.bare.ServeHTTP(w, r)
		return
	}
	ctx, span := d.t.tracer.Start(r.Context(), "rampart "+d.name, trace.WithAttributes(attribute.String("rampart.layer", d.name)))
	made, returned := &decision{span: span, around: around}, false
	note, place := request.Join[request.Note](w, r, request.Status)
	defer func() {
		if made.passed {
			return
		}
		status := note.Status(returned)
		word := "answered"
		if status >= 400 {
			word = "refused"
		}
		if status >= 500 {
			span.SetStatus(codes.Error, "")
		}
		span.SetAttributes(attribute.String("rampart.decision", word), semconv.HTTPResponseStatusCode(status))
		span.End()
	}()
	place.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request.ServeCopy(d.layer, w, r, r.WithContext(context.WithValue(ctx, decisionKey{}, made)))
	}), w, r)
	returned = true
}

// passing is next, which a request reaches that a layer lets pass.
func passing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made, _ := r.Context().Value(decisionKey{}).(*decision)
		if made == nil || made.passed { // its context was replaced, or it is asked once more
			next.ServeHTTP(w, r)
			return
		}
		made.passed = true
		made.span.SetAttributes(attribute.String("rampart.decision", "passed"))
		made.span.End()
		request.ServeCopy(next, w, r, r.WithContext(trace.ContextWithSpan(r.Context(), made.around)))
	})
}

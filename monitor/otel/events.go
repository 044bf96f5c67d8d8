package otel

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Events is a [slog.Handler] that passes every record on, and makes each security event
// an event of the span that it happened in: a record whose attribute "event" is its
// message, as rampart.Reporter writes it. Repeats that the Reporter has folded belong to
// no span. Give it to a monitor.Monitor as its Handler. The zero value drops every
// record.
type Events struct{ next slog.Handler }

// NewEvents returns an Events in front of next.
func NewEvents(next slog.Handler) *Events { return &Events{next} }

// Enabled implements [slog.Handler].
func (e *Events) Enabled(ctx context.Context, level slog.Level) bool {
	return e.next != nil && (e.next.Enabled(ctx, level) || level >= slog.LevelInfo && trace.SpanFromContext(ctx).IsRecording())
}

// Handle implements [slog.Handler].
func (e *Events) Handle(ctx context.Context, rec slog.Record) error {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		if attrs, ok := eventAttributes(rec); ok {
			span.AddEvent(rec.Message, trace.WithTimestamp(rec.Time), trace.WithAttributes(attrs...))
		}
	}
	if e.next == nil || !e.next.Enabled(ctx, rec.Level) {
		return nil
	}
	return e.next.Handle(ctx, rec)
}

// WithAttrs implements [slog.Handler].
func (e *Events) WithAttrs(attrs []slog.Attr) slog.Handler {
	if e.next == nil {
		return e
	}
	return &Events{e.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (e *Events) WithGroup(name string) slog.Handler {
	if e.next == nil {
		return e
	}
	return &Events{e.next.WithGroup(name)}
}

// eventAttributes returns the attributes of a security event as a span has them; false
// if the record is not one.
func eventAttributes(rec slog.Record) (all []attribute.KeyValue, ok bool) {
	rec.Attrs(func(a slog.Attr) bool {
		if a.Key == "event" {
			ok = ok || a.Value.String() == rec.Message
			return true
		}
		all = append(all, attribute.String("rampart."+a.Key, a.Value.Resolve().String()))
		return true
	})
	return all, ok
}

package incident

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// A measure is an order as it is carried out.
type measure struct {
	there          bool   // the service has it
	action, target string // of the Order
	counts         string // the member that tells count; "": it has no count
	count          int    // 0: nobody knows the target
	run            func(ctx context.Context, m *measure) error
	extra          time.Duration // what it may take beyond the Timeout

	wrong error // why it cannot be ordered
	said  []slog.Attr
}

// say adds a member to the response and the event.
func (m *measure) say(name string, value any) {
	m.said = slices.DeleteFunc(m.said, func(a slog.Attr) bool { return a.Key == name })
	m.said = append(m.said, slog.Any(name, value))
}

// refuse notes why a measure cannot be ordered; the first reason counts.
func (m *measure) refuse(is bool, err error) {
	if is && m.wrong == nil {
		m.wrong = err
	}
}

// ends notes until when it lasts.
func (m *measure) ends(until time.Time) {
	m.say("until", until)
	now := time.Now()
	m.refuse(!until.After(now) || until.Sub(now) > MaxAhead+time.Second, Invalid("#/until", "invalid", "Not a time to come, of 30 days ahead at most."))
}

// answer is what the operator is told.
func (m *measure) answer(o Order, reach *Reach, kept bool) json.RawMessage {
	members := map[string]any{"action": m.action, "id": o.ID}
	for _, a := range m.said {
		members[a.Key] = a.Value.Any()
	}
	if m.target != "" {
		members["target"] = m.target
	}
	if m.counts != "" {
		members[m.counts] = m.count
	}
	if reach != nil {
		members["in_force"] = reach
	}
	if !kept {
		members["recorded"] = false
	}
	text, err := json.Marshal(members)
	if err != nil { // a value of our own that cannot be marshalled
		text = []byte("{}")
	}
	return text
}

// Times within an order. Together with the Timeout they bound how long an operator
// waits, whatever is down.
const (
	auditTime = 300 * time.Millisecond // for one question to the Store
	reachTime = time.Second            // until every instance follows
)

// carryOut gives an order: it is kept first, then carried out, and kept as it ended.
// That it cannot be kept does not stop it: the event has it.
func (o *Operator) carryOut(ctx context.Context, by By, m *measure) (Order, error) {
	m.refuse(m.counts != "" && m.target == "", Invalid("#", "required", "Say whom or what it concerns."))
	m.refuse(len(m.target) > maxTarget || !printable(m.target), Invalid("#", "invalid", "Not the name of anybody or anything."))
	m.refuse(by.Actor == "", Invalid("#", "actor", "Say who gives the order."))
	m.refuse(utf8.RuneCountInString(by.Note) > maxNote, Invalid("#/note", "max", fmt.Sprintf("At most %d characters.", maxNote)))
	switch {
	case !m.there:
		return Order{}, notFound()
	case m.wrong != nil:
		return Order{}, m.wrong
	}
	ctx = context.WithoutCancel(ctx)
	order := Order{
		ID: newID(time.Now()), At: time.Now().UTC().Truncate(time.Microsecond), Actor: by.Actor, Action: m.action, Target: m.target, Note: by.Note,
		State: Open,
	}
	if by.Once != "" {
		order.Once, order.Request = digest(cmp.Or(by.caller, by.Actor), by.Once), digest(m.action, cmp.Or(by.what, m.target))
	}
	other, added, err := o.begin(ctx, order)
	switch {
	case err != nil && by.Once != "": // whether it was carried out before cannot be told
		return Order{}, unavailable("Nothing was done: send it again, or without an Idempotency-Key.")
	case err == nil && !added:
		return earlier(other, order)
	}
	kept := err == nil

	returned := false
	defer func() {
		if !returned { // a panic goes on to a layer that knows it; the order may or may not be in force
			order.State = Failed
			o.conclude(ctx, &order, m, nil, kept)
		}
	}()
	running, cancel := context.WithTimeout(ctx, o.cfg.Timeout+m.extra)
	defer cancel()
	err = m.run(running, m)
	var reach *Reach
	if err == nil {
		reach, order.Mark = awaitReach(ctx, o.cfg.Instances, reachTime)
	}
	returned = true
	order.State = stateOf(m, err)
	o.conclude(ctx, &order, m, reach, kept)
	return order, o.outcome(ctx, order, m, err)
}

// conclude keeps an order as it ended, and writes the event.
func (o *Operator) conclude(ctx context.Context, order *Order, m *measure, reach *Reach, kept bool) {
	order.Answer = m.answer(*order, reach, kept)
	if kept && o.finish(ctx, *order) != nil {
		order.Answer = m.answer(*order, reach, false)
	}
	o.record(ctx, *order, m)
}

const (
	maxNote   = 200 // characters
	maxTarget = 256 // bytes: of a subject, an owner, a prefix
)

// printable reports whether s is text that stores and logs can keep.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func stateOf(m *measure, err error) State {
	switch {
	case refused(err) != nil:
		return Refused
	case err != nil:
		return Failed
	case m.counts != "" && m.count == 0:
		return Unknown
	}
	return Done
}

// refused returns the response to a measure that was not carried out; nil if it may
// have been.
func refused(err error) *rampart.Problem {
	if r, ok := errors.AsType[rampart.Refusal](err); ok {
		p := r.Problem()
		switch p.Status {
		case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
			return p
		}
	}
	return nil
}

// outcome is the error of an order.
func (o *Operator) outcome(ctx context.Context, order Order, m *measure, err error) error {
	switch order.State {
	case Refused:
		return refused(err)
	case Failed:
		// What could not be made known may or may not be in force: say so, and let the
		// operator send it again.
		o.cfg.Logger.LogAttrs(ctx, slog.LevelError, "counter-measure failed", slog.String("action", m.action), rampart.Text("error", err.Error()))
		return unavailable("It may or may not be in force: send it again.")
	case Unknown:
		p := notFound()
		p.Detail = "Nobody knows it here." // what another issuer made may have ended all the same
		p.Extensions = map[string]any{m.counts: 0, "id": order.ID}
		return p
	default:
		return nil
	}
}

// earlier is the result of an order that was given before, with the same Once.
func earlier(other, order Order) (Order, error) {
	switch {
	case other.Request != order.Request:
		return other, &rampart.Problem{
			Status: http.StatusUnprocessableEntity, Code: "idempotency_key_reused",
			Detail: "The Idempotency-Key belongs to another order.", Extensions: map[string]any{"id": other.ID},
		}
	case other.State == Open:
		return other, &rampart.Problem{
			Status: http.StatusConflict, Code: "in_progress", Detail: "The order is being carried out.",
			Header: http.Header{"Retry-After": {"1"}}, Extensions: map[string]any{"id": other.ID},
		}
	}
	return other, nil
}

// record writes the event. It is never folded: of several orders for one target the
// last is in force.
func (o *Operator) record(ctx context.Context, order Order, m *measure) {
	attrs := []slog.Attr{rampart.Text("actor", order.Actor), slog.String("action", order.Action), slog.String("order", order.ID)}
	if order.Target != "" {
		attrs = append(attrs, rampart.Text("target", order.Target))
	}
	for _, a := range m.said {
		if a.Value.Kind() == slog.KindString { // an operator's own text, perhaps
			a = rampart.Text(a.Key, a.Value.String())
		}
		attrs = append(attrs, a)
	}
	if m.counts != "" {
		attrs = append(attrs, slog.Int(m.counts, m.count))
	}
	if order.State != Done {
		attrs = append(attrs, slog.String("state", string(order.State)))
	}
	if order.Note != "" {
		attrs = append(attrs, rampart.Text("note", order.Note))
	}
	o.reporter.Record(ctx, rampart.AuthzAdmin, attrs...)
}

func (o *Operator) begin(ctx context.Context, order Order) (other Order, added bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	other, added, err = o.cfg.Orders.Begin(ctx, order)
	o.audited(ctx, err)
	return other, added, err
}

func (o *Operator) finish(ctx context.Context, order Order) error {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	err := o.cfg.Orders.Finish(ctx, order)
	o.audited(ctx, err)
	return err
}

// audited reports that the audit trail fails.
func (o *Operator) audited(ctx context.Context, err error) {
	if err != nil {
		o.reporter.Report(ctx, rampart.SysBackendUnavailable, "incident", slog.String("backend", "incident"), rampart.Text("error", err.Error()))
	}
}

// newID returns the ID of an order: the time in microseconds, so that a later one
// sorts after it, and what tells two of one moment apart.
func newID(now time.Time) string {
	return fmt.Sprintf("%014x-%s", now.UnixMicro(), strings.ToLower(rand.Text()[:10]))
}

func digest(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

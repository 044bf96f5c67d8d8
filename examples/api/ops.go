package main

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
)

// ops are an operator's counter-measures, each one call below /api/ops/ and one
// event authz_admin. docs/incident-response.md says when to use which.
type ops struct {
	*app
	layers  *layers
	shared  *shared
	managed *managed
	monitor *monitor.Monitor

	reencryption *reencryption
}

// maxAhead bounds how long a counter-measure may last: one that is forgotten
// ends by itself.
const maxAhead = 30 * 24 * time.Hour

// handle registers an operator's call that takes a body of type T.
func handle[T any](mux *server.Mux, path string, log *slog.Logger, wrap layer, do func(w http.ResponseWriter, r *http.Request, in T)) error {
	binder, err := sanitize.NewBinder[T](sanitize.Config{Logger: log})
	if err != nil {
		return err
	}
	mux.Handle("POST "+path+"{$}", wrap(binder.Handler(do)))
	return nil
}

// routes registers every call behind wrap, which lets operators pass.
func (o *ops) routes(mux *server.Mux, wrap layer) error {
	get := func(path string, h http.HandlerFunc) { mux.Handle("GET "+path+"{$}", wrap(h)) }
	get("/api/ops/blocks/", o.listBlocks)
	get("/api/ops/rates/", o.listRates)
	get("/api/ops/lockdown/", o.showLockdown)
	get("/api/ops/state/", o.state)
	get("/api/ops/metrics/", o.monitor.Metrics().ServeHTTP)
	return errors.Join(
		handle(mux, "/api/ops/sessions/end/", o.log, wrap, o.endSessions),
		handle(mux, "/api/ops/keys/revoke/", o.log, wrap, o.revokeKeys),
		handle(mux, "/api/ops/blocks/", o.log, wrap, o.block),
		handle(mux, "/api/ops/blocks/lift/", o.log, wrap, o.unblock),
		handle(mux, "/api/ops/rates/", o.log, wrap, o.tighten),
		handle(mux, "/api/ops/rates/lift/", o.log, wrap, o.loosen),
		handle(mux, "/api/ops/lockdown/", o.log, wrap, o.lockDown),
		handle(mux, "/api/ops/lockdown/lift/", o.log, wrap, o.liftLockdown),
		handle(mux, "/api/ops/signing-key/rotate/", o.log, wrap, o.rotateSigningKey),
		handle(mux, "/api/ops/field-key/rotate/", o.log, wrap, o.rotateFieldKey),
	)
}

// noted is what every call takes: a line for the log.
type noted struct {
	Note string `json:"note" sanitize:"text" validate:"max=200"`
}

// span says until when a counter-measure holds.
type span struct {
	Until string `json:"until" validate:"max=64"` // RFC 3339
	For   string `json:"for" validate:"max=32"`   // "30m"
}

// end returns when s ends, or what is wrong with it.
func (s span) end(now time.Time) (time.Time, error) {
	if (s.Until == "") == (s.For == "") {
		return time.Time{}, fieldProblem("#/until", "required", `Say either "until" or "for".`)
	}
	field := "#/until"
	until, err := time.Parse(time.RFC3339, s.Until)
	if s.For != "" {
		var d time.Duration
		field = "#/for"
		d, err = time.ParseDuration(s.For)
		until = now.Add(d)
	}
	if err != nil || !until.After(now) || until.Sub(now) > maxAhead {
		return until, fieldProblem(field, "invalid", "Not a time to come, of 30 days ahead at most.")
	}
	return until.UTC().Truncate(time.Second).Add(time.Second), nil // whole seconds, never sooner
}

func fieldProblem(pointer, code, detail string) error {
	return &rampart.Problem{
		Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: "Invalid input.",
		Errors: []rampart.FieldError{{Pointer: pointer, Code: code, Detail: detail}},
	}
}

// done ends a call: an event with its actor and an answer, or what went wrong.
func (o *ops) done(w http.ResponseWriter, r *http.Request, err error, note, action, target string, more ...any) {
	if err != nil {
		o.failed(w, r, err)
		return
	}
	attrs := []slog.Attr{slog.String("actor", actor(r)), slog.String("action", action)}
	answer := map[string]any{"action": action}
	if target != "" {
		attrs = append(attrs, rampart.Text("target", target))
		answer["target"] = target
	}
	for i := 0; i+1 < len(more); i += 2 {
		name, _ := more[i].(string)
		attrs = append(attrs, slog.Any(name, more[i+1]))
		answer[name] = more[i+1]
	}
	if note != "" {
		attrs = append(attrs, rampart.Text("note", note))
	}
	o.events.Record(r.Context(), rampart.AuthzAdmin, attrs...) // of three orders for one target the last is in force
	writeJSON(w, http.StatusOK, answer)
}

func (o *ops) failed(w http.ResponseWriter, r *http.Request, err error) {
	if p, ok := errors.AsType[*rampart.Problem](err); ok {
		p.Write(w)
		return
	}
	if e, ok := errors.AsType[*apikey.Error](err); ok && e.Reason == apikey.KeyUnknown {
		notFound(w)
		return
	}
	// What could not be made known may or may not be in force: say so, and let
	// the operator send it again.
	o.log.LogAttrs(r.Context(), slog.LevelError, "counter-measure failed", slog.String("error", err.Error()))
	w.Header().Set("Retry-After", "1")
	(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "It may or may not be in force: send it again."}).Write(w)
}

// actor is who asks: the subject of the token.
func actor(r *http.Request) string {
	t, _ := auth.FromContext(r.Context())
	return t.Subject()
}

type endSessions struct {
	Session string                    `json:"session" validate:"max=128"`
	Subject string                    `json:"subject" validate:"max=256"`
	Before  sanitize.Optional[string] `json:"before" validate:"max=64"`
	noted
}

func (o *ops) endSessions(w http.ResponseWriter, r *http.Request, in endSessions) {
	given := 0
	for _, is := range []bool{in.Session != "", in.Subject != "", in.Before.Set} {
		if is {
			given++
		}
	}
	service := o.layers.service
	switch {
	case given != 1:
		o.failed(w, r, fieldProblem("#", "required", `Say one of "session", "subject" and "before".`))
	case in.Session != "":
		_, err := service.EndSession(r.Context(), in.Session)
		o.done(w, r, err, in.Note, "end_session", in.Session)
	case in.Subject != "":
		_, err := service.EndSubject(r.Context(), in.Subject)
		o.done(w, r, err, in.Note, "end_subject", in.Subject)
	default:
		before, now := time.Time{}, time.Now().UTC() // zero: now, by the clock of the sessions
		if in.Before.Value != "" {
			t, err := time.Parse(time.RFC3339, in.Before.Value)
			if err != nil || t.After(now) {
				o.failed(w, r, fieldProblem("#/before", "invalid", "Not a time that has come."))
				return
			}
			before, now = t, t
		}
		o.done(w, r, service.EndAll(r.Context(), before), in.Note, "end_all", "", "before", now)
	}
}

type revokeKeys struct {
	Key   string `json:"key" validate:"max=64"`
	Owner string `json:"owner" validate:"max=256"`
	noted
}

func (o *ops) revokeKeys(w http.ResponseWriter, r *http.Request, in revokeKeys) {
	switch {
	case (in.Key == "") == (in.Owner == ""):
		o.failed(w, r, fieldProblem("#", "required", `Say one of "key" and "owner".`))
	case in.Key != "":
		o.done(w, r, o.layers.keys.Revoke(r.Context(), in.Key), in.Note, "revoke_key", in.Key, "revoked", 1)
	default:
		n, err := o.layers.keys.RevokeOwner(r.Context(), in.Owner)
		o.done(w, r, err, in.Note, "revoke_owner", in.Owner, "revoked", n)
	}
}

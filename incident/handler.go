package incident

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// Handler returns the operators' calls, for callers with the Config's Scope:
//
//	GET  /                     the calls that this service has
//	POST /sessions/end/        {"session"}, {"subject"} or {"before"}
//	GET  /sessions/?subject=   the live sessions of a subject
//	POST /keys/revoke/         {"key"} or {"owner"}
//	GET  /keys/?owner=         API keys
//	GET  /blocks/              what is blocked
//	POST /blocks/              {"prefix", "until" or "for"}
//	POST /blocks/lift/         {"prefix"}
//	GET  /rates/               what the policies count by
//	POST /rates/               {"policy", "rate", "until" or "for"}
//	POST /rates/lift/          {"policy"}
//	GET  /limited/             which keys are refused most, by policy
//	GET  /lockdown/            whether the service is locked
//	POST /lockdown/            {"mode", "allow", "until" or "for"}
//	POST /lockdown/lift/       {}
//	POST /signing-key/rotate/  {"overlap"}
//	POST /field-key/rotate/    {}
//	GET  /orders/              the audit trail, newest first: ?before= and ?limit=
//	GET  /orders/{id}/         one order, and how far it has come by now
//	GET  /state/               what this instance knows, and which instances there are
//	GET  /metrics/
//
// Each POST takes a "note", and the header Idempotency-Key. Mount it behind a layer
// that says who calls, and cut off what is before it:
//
//	mux.Handle("/api/ops/", authn.Handler(http.StripPrefix("/api/ops", operator.Handler())))
//
// Every refusal is a problem.
func (o *Operator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", notFound())
	for path, c := range o.calls() {
		for _, slash := range []string{"", "/{$}"} { // both, as a redirect would not know the mount point
			full := strings.TrimSuffix(path, "/") + slash
			if full == "" {
				continue
			}
			if c.get != nil {
				mux.Handle("GET "+full, c.get)
			}
			if c.post != nil {
				mux.Handle("POST "+full, c.post)
			}
			mux.Handle(full, wrongMethod(c.methods()))
		}
	}
	return rampart.RequireScope(cmp.Or(o.cfg.Scope, defaultScope))(mux) // of the zero Operator, too
}

// A call is what a path serves.
type call struct{ get, post http.HandlerFunc }

func (c call) methods() string {
	var all []string
	if c.get != nil {
		all = append(all, "GET, HEAD")
	}
	if c.post != nil {
		all = append(all, "POST")
	}
	return strings.Join(all, ", ")
}

// calls returns what is wired, by path.
func (o *Operator) calls() map[string]call {
	c := &o.cfg
	all := map[string]call{"/": {get: o.list}, "/state/": {get: o.state}, "/orders/": {get: o.orders}, "/orders/{id}/": {get: o.order}}
	add := func(path string, there bool, served call) {
		if there {
			was := all[path]
			if served.get != nil {
				was.get = served.get
			}
			if served.post != nil {
				was.post = served.post
			}
			all[path] = was
		}
	}
	add("/sessions/end/", c.EndSession != nil || c.EndSubject != nil || c.EndAll != nil, call{post: o.endSessions})
	add("/sessions/", c.Sessions != nil, call{get: o.sessions})
	add("/keys/", c.Keys != nil, call{get: o.keys})
	add("/keys/revoke/", c.RevokeKey != nil || c.RevokeOwner != nil, call{post: o.revokeKeys})
	add("/blocks/", c.Blocks != nil, call{get: o.blocks})
	add("/blocks/", c.Block != nil, call{post: o.block})
	add("/blocks/lift/", c.Unblock != nil, call{post: o.unblock})
	add("/rates/", c.Rates != nil, call{get: o.rates})
	add("/rates/", c.Tighten != nil, call{post: o.tighten})
	add("/rates/lift/", c.Loosen != nil, call{post: o.loosen})
	add("/limited/", c.Limited != nil, call{get: o.limited})
	add("/lockdown/", c.Lockdown != nil, call{get: o.lockdown, post: o.lockDown})
	add("/lockdown/lift/", c.Lockdown != nil, call{post: o.liftLockdown})
	add("/signing-key/rotate/", c.RotateSigningKey != nil, call{post: o.rotateSigningKey})
	add("/field-key/rotate/", c.RotateFieldKey != nil, call{post: o.rotateFieldKey})
	if c.Metrics != nil {
		add("/metrics/", true, call{get: c.Metrics.ServeHTTP})
	}
	return all
}

// A form is what an operator sends: its fields, and what every call takes.
type form struct {
	note, until, span string
	ends              bool // it takes an end
	fields            []strictjson.Field
}

// read reads the body and says by whom the order is given.
func (o *Operator) read(w http.ResponseWriter, r *http.Request, f *form) (By, time.Time, error) {
	fields := append(f.fields, strictjson.Field{Name: "note", Text: &f.note})
	if f.ends {
		fields = append(fields, strictjson.Field{Name: "until", Text: &f.until}, strictjson.Field{Name: "for", Text: &f.span})
	}
	if p := strictjson.Small(maxBody, strictjson.JSON).Object(w, r, fields...); p != nil {
		return By{}, time.Time{}, p
	}
	var until time.Time
	if f.ends {
		var err error
		if until, err = end(time.Now(), f.until, f.span); err != nil {
			return By{}, time.Time{}, err
		}
	}
	once := r.Header.Get("Idempotency-Key")
	if len(once) > maxOnce {
		return By{}, time.Time{}, &rampart.Problem{Status: http.StatusBadRequest, Code: "idempotency_key", Detail: "An Idempotency-Key has at most 256 bytes."}
	}
	caller, _ := rampart.CallerFrom(r.Context()) // RequireScope saw that there is one
	by := By{Actor: cmp.Or(caller.Subject, caller.Key()), Note: f.note, Addr: o.cfg.ClientIP(r), Once: once, what: r.URL.Path, caller: caller.Key()}
	for _, field := range fields {
		if field.Text != nil {
			by.what += "\n" + *field.Text
		} else {
			by.what += "\n" + strings.Join(*field.List, " ")
		}
	}
	return by, until, nil
}

const (
	maxBody = 16 << 10
	maxOnce = 256
)

// end reads until when a measure holds.
func end(now time.Time, until, span string) (time.Time, error) {
	if (until == "") == (span == "") {
		return time.Time{}, Invalid("#/until", "required", `Say either "until" or "for".`)
	}
	field := "#/until"
	t, err := time.Parse(time.RFC3339, until)
	if span != "" {
		var d time.Duration
		field = "#/for"
		d, err = time.ParseDuration(span)
		t = now.Add(d)
	}
	if err != nil || !t.After(now) || t.Sub(now) > MaxAhead {
		return t, Invalid(field, "invalid", "Not a time to come, of 30 days ahead at most.")
	}
	return t.UTC().Truncate(time.Second).Add(time.Second), nil // whole seconds, never sooner
}

// serve reads a form and responds with the order that do gives.
func (o *Operator) serve(w http.ResponseWriter, r *http.Request, f *form, do func(ctx context.Context, by By, until time.Time) (Order, error)) {
	by, until, err := o.read(w, r, f)
	var order Order
	if err == nil {
		order, err = do(r.Context(), by, until)
	}
	if err != nil {
		rampart.WriteError(w, err)
		return
	}
	write(w, order.Answer)
}

func text(name string, into *string) strictjson.Field {
	return strictjson.Field{Name: name, Text: into}
}

func needed(name string, into *string) strictjson.Field {
	return strictjson.Field{Name: name, Text: into, Required: true}
}

func (o *Operator) endSessions(w http.ResponseWriter, r *http.Request) {
	const unset = "\x00" // no text holds it: "" means now
	session, subject, before := "", "", unset
	f := &form{fields: []strictjson.Field{text("session", &session), text("subject", &subject), text("before", &before)}}
	o.serve(w, r, f, func(ctx context.Context, by By, _ time.Time) (Order, error) {
		given := 0
		for _, is := range []bool{session != "", subject != "", before != unset} {
			if is {
				given++
			}
		}
		switch {
		case given != 1:
			return Order{}, Invalid("#", "required", `Say one of "session", "subject" and "before".`)
		case session != "":
			return o.EndSession(ctx, by, session)
		case subject != "":
			return o.EndSubject(ctx, by, subject)
		}
		var t time.Time
		if before != "" {
			var err error
			if t, err = time.Parse(time.RFC3339, before); err != nil {
				return Order{}, Invalid("#/before", "invalid", "Not a time that has come.")
			}
		}
		return o.EndAll(ctx, by, t)
	})
}

func (o *Operator) revokeKeys(w http.ResponseWriter, r *http.Request) {
	var key, owner string
	o.serve(w, r, &form{fields: []strictjson.Field{text("key", &key), text("owner", &owner)}}, func(ctx context.Context, by By, _ time.Time) (Order, error) {
		switch {
		case (key == "") == (owner == ""):
			return Order{}, Invalid("#", "required", `Say one of "key" and "owner".`)
		case key != "":
			return o.RevokeKey(ctx, by, key)
		}
		return o.RevokeOwner(ctx, by, owner)
	})
}

func (o *Operator) block(w http.ResponseWriter, r *http.Request) {
	var prefix string
	f := &form{ends: true, fields: []strictjson.Field{needed("prefix", &prefix)}}
	o.serve(w, r, f, func(ctx context.Context, by By, until time.Time) (Order, error) {
		return o.Block(ctx, by, parsePrefix(prefix), until)
	})
}

func (o *Operator) unblock(w http.ResponseWriter, r *http.Request) {
	var prefix string
	o.serve(w, r, &form{fields: []strictjson.Field{needed("prefix", &prefix)}}, func(ctx context.Context, by By, _ time.Time) (Order, error) {
		p := parsePrefix(prefix)
		if !p.IsValid() {
			return Order{}, Invalid("#/prefix", "invalid", "Not an address or prefix.")
		}
		return o.Unblock(ctx, by, p)
	})
}

// parsePrefix reads an address or a prefix; the zero Prefix stands for anything else.
func parsePrefix(s string) netip.Prefix {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() || p.Addr().Is4In6() {
		return netip.Prefix{}
	}
	return p
}

func (o *Operator) tighten(w http.ResponseWriter, r *http.Request) {
	var policy, rate string
	f := &form{ends: true, fields: []strictjson.Field{needed("policy", &policy), needed("rate", &rate)}}
	o.serve(w, r, f, func(ctx context.Context, by By, until time.Time) (Order, error) {
		return o.Tighten(ctx, by, policy, rate, until)
	})
}

func (o *Operator) loosen(w http.ResponseWriter, r *http.Request) {
	var policy string
	o.serve(w, r, &form{fields: []strictjson.Field{needed("policy", &policy)}}, func(ctx context.Context, by By, _ time.Time) (Order, error) {
		return o.Loosen(ctx, by, policy)
	})
}

func (o *Operator) lockDown(w http.ResponseWriter, r *http.Request) {
	var mode string
	var allow []string
	f := &form{ends: true, fields: []strictjson.Field{needed("mode", &mode), {Name: "allow", List: &allow}}}
	o.serve(w, r, f, func(ctx context.Context, by By, until time.Time) (Order, error) {
		if len(allow) > maxAllowed {
			return Order{}, Invalid("#/allow", "max", "At most 64 prefixes.")
		}
		list := make([]netip.Prefix, len(allow))
		for i, s := range allow {
			if list[i] = parsePrefix(s); !list[i].IsValid() {
				return Order{}, Invalid("#/allow/"+strconv.Itoa(i), "invalid", "Not an address or prefix.")
			}
		}
		return o.LockDown(ctx, by, Mode(mode), list, until)
	})
}

const maxAllowed = 64

func (o *Operator) liftLockdown(w http.ResponseWriter, r *http.Request) {
	o.serve(w, r, &form{}, func(ctx context.Context, by By, _ time.Time) (Order, error) { return o.LiftLockdown(ctx, by) })
}

func (o *Operator) rotateSigningKey(w http.ResponseWriter, r *http.Request) {
	var overlap string
	o.serve(w, r, &form{fields: []strictjson.Field{needed("overlap", &overlap)}}, func(ctx context.Context, by By, _ time.Time) (Order, error) {
		d, err := time.ParseDuration(overlap)
		if err != nil {
			d = -1
		}
		return o.RotateSigningKey(ctx, by, d)
	})
}

func (o *Operator) rotateFieldKey(w http.ResponseWriter, r *http.Request) {
	o.serve(w, r, &form{}, func(ctx context.Context, by By, _ time.Time) (Order, error) { return o.RotateFieldKey(ctx, by) })
}

// Invalid returns the response to an order with a member that cannot be ordered: for
// the functions of a [Config]. The pointer is such as "#/rate"; code and detail are
// fixed strings.
func Invalid(pointer, code, detail string) error {
	return strictjson.Invalid.Problem(rampart.FieldError{Pointer: pointer, Code: code, Detail: detail})
}

func notFound() *rampart.Problem {
	return &rampart.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "Not found."}
}

func unavailable(detail string) *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: detail, Header: http.Header{"Retry-After": {"1"}},
	}
}

func wrongMethod(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		(&rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "Method not allowed."}).Write(w)
	}
}

func write(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}
